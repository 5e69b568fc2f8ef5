"""The data of a run: each data set is read once, and each step's view of it is built once."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

from mmseg.registry import DATASETS

from mmciss.datasets.incremental_dataset import IncrementalDataset
from mmciss.datasets.scanned_dataset import ScannedDataset
from mmciss.datasets.wrapped import loads_labels
from mmciss.errors import ConfigError
from mmciss.protocols.build import build_protocol
from mmciss.protocols.labels import LabelPolicy
from mmciss.protocols.protocol import Protocol
from mmciss.utils.blame import blaming
from mmciss.utils.configs import dataset_configs


class ProtocolData:
    """What each step of a protocol learns from and is tested on.

    Args:
        datasets: Data sets by split, built or as configs: ``'train'`` and, if there are any, ``'val'`` and ``'test'``,
            whose classes are matched by name.
        protocol: A protocol, or the config key ``protocol``.
        policy: Preset or fields of the label policy, if ``protocol`` has no ``label_policy``.

    Attributes:
        protocol: The protocol.
        classes: Class names in the order of the training data.

    Raises:
        ConfigError: If a data set cannot be built, or the protocol does not fit the classes.
    """

    def __init__(
        self,
        datasets: Mapping[str, Any],
        protocol: Protocol | Mapping[str, Any],
        policy: LabelPolicy | Mapping[str, str] | str = 'plop',
    ) -> None:
        self._datasets = {split: _own(dataset) for split, dataset in datasets.items() if dataset is not None}
        self._sources: list[tuple[Any, ScannedDataset]] = []
        self._views: list[tuple[dict[str, Any], IncrementalDataset]] = []
        if isinstance(protocol, Mapping):
            protocol = dict(protocol)
            policy = protocol.pop('label_policy', policy)
        self._policy, self._protocol_config = policy, protocol
        self.classes: tuple[str, ...] | None = None
        with blaming('train_dataloader.dataset'):
            train = self._source('train', self._datasets['train'])
            self.classes = train.classes
            self.protocol = build_protocol(protocol, train.class_names, background=train.first_id == 1)

    @classmethod
    def from_cfg(cls, cfg: Mapping[str, Any]) -> ProtocolData:
        """Reads the data of a user's config.

        Raises:
            ConfigError: If a data set cannot be built, or the protocol does not fit the classes.
        """
        return cls(dataset_configs(cfg), cfg['protocol'])

    @property
    def splits(self) -> tuple[str, ...]:
        """The splits that have a data set."""
        return tuple(self._datasets)

    def dataset(self, index: int, split: str) -> IncrementalDataset:
        """Returns the data set of one step; always the same object.

        Raises:
            ConfigError: If files are missing, labels do not fit, or the step has no images.
        """
        return self.build(
            dict(
                type='IncrementalDataset',
                dataset=self._datasets[split],
                protocol=self._protocol_config,
                step_index=index,
                policy=self._policy,
                split=split,
            )
        )

    def build(self, config: Mapping[str, Any]) -> Any:
        """Builds a data set from a step's plain config, reusing what has already been read.

        Args:
            config: ``dataset`` of a loader in a config by :func:`mmciss.engine.runner.step_config.make_step_config`, as
                changed by ``steps.*.cfg``.

        Raises:
            ConfigError: If files are missing, labels do not fit, or the step has no images.
        """
        values = dict(config)
        if values.get('type') == 'ReplayDataset':
            return DATASETS.build({**values, 'dataset': self.build(values['dataset'])})
        if values.get('type') != 'IncrementalDataset':
            return DATASETS.build(copy.deepcopy(values))
        split = values.get('split', 'train')
        with blaming(f'{split}_dataloader.dataset'):
            values['dataset'] = self._source(split, values['dataset'], values.pop('classes', None))
            if values['protocol'] == self._protocol_config:
                values['protocol'] = self.protocol
            # If validation and test data are the same, so are their views; but test data need no labels.
            shared = split == 'val' and all(map(loads_labels, values['dataset'].parts))
            known = {**values, 'split': 'test' if shared else split}
            for content, view in self._views:
                if content == known:
                    return view
            view = DATASETS.build(values)
        self._views.append((known, view))
        return view

    def _source(self, split: str, dataset: Any, classes: Sequence[str] | None = None) -> ScannedDataset:
        for known, source in self._sources:
            if known is dataset or known == dataset:
                return source
        source = ScannedDataset(_own(dataset), classes or self.classes, key=f'{split}_dataloader.dataset')
        self._sources.append((_own(dataset), source))
        return source


def _own(dataset: Any) -> Any:
    """Copies the config of a data set; a built data set is returned as it is."""
    return copy.deepcopy(dataset) if isinstance(dataset, Mapping) else dataset


def check_measurable(dataset: IncrementalDataset, first: IncrementalDataset, split: str) -> None:
    """Refuses test data in which no class is labelled, or that has no images for the first step.

    Args:
        dataset: The test data of the last step.
        first: The test data of the first step.
        split: The split.

    Raises:
        ConfigError: Naming the data set.
    """
    key = f'{split}_dataloader'
    if not dataset.presence.pixels[:, list(dataset.step.seen)].any():
        raise ConfigError(
            f'{key}.dataset: none of its {dataset.presence.num_images} masks has a pixel of any class '
            f'({", ".join(dataset.class_names[:6])}{", ..." if len(dataset.class_names) > 6 else ""}), '
            f'so there is nothing to measure'
        )
    if not len(first):
        raise ConfigError(
            f'{key}.dataset: none of its {first.presence.num_images} images shows a class of step 0 '
            f'({", ".join(first.step.names[first.step.background :][:6])}), so that step cannot be tested. '
            f"protocol.label_policy=dict(test_images='all') tests every step on all images"
        )
