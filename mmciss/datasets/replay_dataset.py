"""A step's images together with stored images of earlier steps."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from mmseg.registry import DATASETS
from torch.utils.data import Dataset

from mmciss.datasets.exemplars import Memory, ReplayOptions
from mmciss.datasets.incremental_dataset import IncrementalDataset
from mmciss.datasets.samplers import DrawnIndex
from mmciss.errors import ConfigError
from mmciss.protocols.step import Step


@DATASETS.register_module()
class ReplayDataset(Dataset[dict[str, Any]]):
    """The images of a step at the indices 0..n-1, and the stored ones at n..n+m-1.

    With ``mode='concat'``, its length is n + m, and a stored image that is also one of the step's own is not shown
    twice. With ``mode='batch'``, its length is n: a pass over the data sees only the step's own images, and
    :class:`mmciss.datasets.samplers.ReplaySampler` draws the others.

    Stored images carry labels of old classes only with ``labels='full'``.

    Args:
        dataset: The step's :class:`~mmciss.datasets.IncrementalDataset`, or its config.
        memory: The ``memory.json`` of the previous step.
        options: The config key ``method.memory``.

    Attributes:
        current: The step's own data set.
        exemplars: A view of the stored images, labelled as ``labels`` says.

    Raises:
        ConfigError: If the file is missing or names an image that the data set does not have.
    """

    def __init__(
        self, dataset: IncrementalDataset | Mapping[str, Any], memory: str | Path, options: Mapping[str, Any]
    ) -> None:
        self.options = ReplayOptions.from_dict(options)
        self.current: IncrementalDataset = (
            DATASETS.build(copy.deepcopy(dict(dataset))) if isinstance(dataset, Mapping) else dataset
        )
        self.exemplars = self._exemplars(Memory.load(memory), str(memory))

    def _exemplars(self, memory: Memory, source: str) -> IncrementalDataset:
        policy = self.current.policy
        if self.options.labels == 'full':
            policy = replace(policy, old_train='keep')
        positions = {path: position for position, path in enumerate(self.current.source.counts.paths)}
        for exemplar in memory.exemplars:
            if exemplar.path not in positions:
                raise ConfigError(
                    f'method.memory: {source} names {exemplar.path}, which is not an image '
                    f'of train_dataloader.dataset. Was the data moved or changed?'
                )
        chosen = [positions[exemplar.path] for exemplar in memory.exemplars]
        if self.options.mode == 'concat' and self.options.labels == 'current':
            own = set(self.current.indices.tolist())
            chosen = [position for position in chosen if position not in own]
        return self.current.of_images(chosen, policy)

    @property
    def step(self) -> Step:
        """The step."""
        return self.current.step

    @property
    def step_index(self) -> int:
        """The step's index, which selects the sampler's stream."""
        return self.current.step_index

    @property
    def num_current(self) -> int:
        """Number of the step's own images."""
        return len(self.current)

    @property
    def num_exemplars(self) -> int:
        """Number of stored images."""
        return len(self.exemplars)

    @property
    def metainfo(self) -> dict[str, Any]:
        """Names and colours of the channels."""
        return self.current.metainfo

    def full_init(self) -> None:
        """Reads the data, if that has not happened yet."""
        self.current.full_init()

    def __len__(self) -> int:
        return self.num_current + (self.num_exemplars if self.options.mode == 'concat' else 0)

    def get_data_info(self, index: int) -> dict[str, Any]:
        """Returns paths and settings of one image."""
        part, inside = self._locate(index)
        return part.get_data_info(inside)

    def __getitem__(self, index: int) -> Any:
        """Returns one image through the pipeline."""
        part, inside = self._locate(index)
        return part[inside]

    def _locate(self, index: int) -> tuple[IncrementalDataset, int]:
        inside = int(index)
        part = self.current
        if inside >= self.num_current:
            part, inside = self.exemplars, inside - self.num_current
        return part, index.at(inside) if isinstance(index, DrawnIndex) else inside
