"""One step's view of an ordinary data set."""

from __future__ import annotations

import copy
import logging
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from mmengine.dataset import BaseDataset
from mmengine.logging import print_log
from mmseg.registry import DATASETS
from torch.utils.data import Dataset

from mmciss.datasets.image_pairs import naming_broken_files
from mmciss.datasets.samplers import DrawnIndex
from mmciss.datasets.scanned_dataset import ScannedDataset
from mmciss.datasets.seeding import seeded
from mmciss.datasets.transforms.map_labels import MapLabels
from mmciss.datasets.wrapped import copy_parts, parts_of, with_label_map
from mmciss.errors import ConfigError, unknown_name
from mmciss.protocols.build import build_protocol
from mmciss.protocols.labels import LabelPolicy, label_policy
from mmciss.protocols.presence import ClassPresence
from mmciss.protocols.protocol import Protocol
from mmciss.protocols.settings import select_images, select_test_images
from mmciss.protocols.step import Step

SPLITS = ('train', 'val', 'test')
TRIES = 100
"""How many times in a row a pipeline may reject an image."""


@DATASETS.register_module()
class IncrementalDataset(Dataset[dict[str, Any]]):
    """The images of one step, labelled as that step may see them.

    The wrapped data set does not change. A transform right after its pipeline's loading of annotations maps ids to
    channels; ``metainfo`` names the channels.

    If an index comes from :class:`mmciss.datasets.samplers.IncrementalInfiniteSampler`, the pipeline's random numbers
    depend only on the seed and the index's place in the stream, not on the number of workers or on interruptions.

    A deep copy has its own pipeline and shares everything else, which never changes.

    Args:
        dataset: A :class:`~mmciss.datasets.scanned_dataset.ScannedDataset`, which several steps may share; or a data
            set derived from ``BaseSegDataset`` or a ``ConcatDataset`` of such, built or as a config.
        protocol: A protocol, or the config key ``protocol``.
        step_index: Index of the step.
        policy: Preset or fields of the label policy.
        split: ``'train'``: images and labels to learn from. ``'val'``, ``'test'``: images to test on, with the labels
            of all classes seen so far.
        cache_dir: Where to keep the label counts, if not next to the masks.
        seed: Seed of augmentation; the sampler's if None.
        lazy_init: Whether to read the masks only in :meth:`full_init`.
        classes: Class names of the training data, if this is other data; classes are matched by name, in any order.

    Attributes:
        source: What all steps share of the data set.
        dataset: The wrapped data set, with labels mapped.
        protocol: The protocol.
        step: The step.
        policy: The label policy.
        split: As above.
        classes: Class names in the order of the training data.
        class_names: Names of the foreground classes.
        first_id: The data set's id of class 1: 1 if its class 0 is called 'background', else 0.
        table: (256,) uint8, from ids of the data set to channels.

    Raises:
        ConfigError: If files are missing, labels do not fit, or the step has no images.
    """

    def __init__(
        self,
        dataset: Any,
        protocol: Protocol | Mapping[str, Any],
        step_index: int,
        policy: LabelPolicy | Mapping[str, str] | str = 'plop',
        split: str = 'train',
        cache_dir: str | None = None,
        seed: int | None = None,
        lazy_init: bool = False,
        classes: Sequence[str] | None = None,
    ) -> None:
        if split not in SPLITS:
            raise unknown_name('split', split, SPLITS, 'IncrementalDataset.split')
        if not isinstance(dataset, ScannedDataset):
            dataset = ScannedDataset(dataset, classes, cache_dir, f'{split}_dataloader.dataset')
        self.source: ScannedDataset = dataset
        self.classes, self.class_names, self.first_id = dataset.classes, dataset.class_names, dataset.first_id
        self.protocol = build_protocol(protocol, self.class_names, background=self.first_id == 1)
        if self.protocol.num_classes != len(self.class_names):
            raise ConfigError(
                f'protocol: has {self.protocol.num_classes} classes, but the data set '
                f'{type(dataset.parts[0]).__name__} has {len(self.class_names)}.'
            )
        if not 0 <= step_index < len(self.protocol):
            raise ConfigError(
                f'IncrementalDataset.step_index: {step_index}; protocol '
                f'{self.protocol.name!r} has steps 0 to {len(self.protocol) - 1}.'
            )
        self.step_index = step_index
        self.step: Step = self.protocol[step_index]
        self.policy = label_policy(policy, self.first_id, self.protocol.setting)
        self.split = split
        self.seed = seed
        self._map_labels()
        self._indices: np.ndarray | None = None
        if not lazy_init:
            self.full_init()

    def _map_labels(self) -> None:
        """Builds the step's lookup table and a pipeline that applies it."""
        positions = self.source.positions
        make = self.policy.train_table if self.split == 'train' else self.policy.test_table
        self.table: np.ndarray = make(self.step, len(self.class_names), self.first_id)
        self.table[: len(positions)] = self.table[list(positions)]
        mapper = MapLabels(self.table)
        copies = {id(part): with_label_map(part, mapper, required=self.split != 'test') for part in self.source.parts}
        self.dataset = copy_parts(self.source.dataset, copies)
        self._parts: list[BaseDataset] = parts_of(self.dataset)

    def __deepcopy__(self, memo: dict[int, Any]) -> IncrementalDataset:
        """Copies only the pipeline; data loaders copy the data set that they are given."""
        twin = memo[id(self)] = copy.copy(self)
        twin._map_labels()
        return twin

    def of_images(self, indices: Sequence[int], policy: LabelPolicy) -> IncrementalDataset:
        """Returns the same step's view of other images.

        Args:
            indices: Positions in the wrapped data set, in any order.
            policy: How they are labelled.
        """
        twin = copy.copy(self)
        twin.policy, twin._indices = policy, np.asarray(indices, dtype=np.int64)
        twin._map_labels()
        return twin

    def full_init(self) -> None:
        """Chooses the step's images by what their masks show."""
        if self._indices is not None:
            return
        presence, paths = self.source.presence, self.source.counts.paths
        if self.split == 'train':
            chosen = select_images(self.protocol, self.step_index, presence, paths)
        else:
            chosen = select_test_images(self.protocol, self.step_index, presence, self.policy.test_images, paths)
            if not len(chosen):
                print_log(
                    f'protocol: step {self.step_index} of {self.protocol.name!r} has no '
                    f'image to test on among {presence.num_images}',
                    'current',
                    logging.WARNING,
                )
        self._indices = np.asarray(chosen, dtype=np.int64)

    @property
    def indices(self) -> np.ndarray:
        """(images,) positions of the step's images in the wrapped data set."""
        self.full_init()
        assert self._indices is not None
        return self._indices

    @property
    def paths(self) -> list[str]:
        """Paths of the step's images."""
        return [self.source.counts.paths[position] for position in self.indices]

    @property
    def presence(self) -> ClassPresence:
        """Pixels of every class in every image of the wrapped data set, before labels are mapped."""
        return self.source.presence

    @property
    def metainfo(self) -> dict[str, Any]:
        """Names and colours of the channels, for visualizers and metrics."""
        meta = dict(self._parts[0].metainfo)
        colours = [list(map(int, colour)) for colour in meta.get('palette') or ()]
        if len(colours) == len(self.class_names) + self.first_id:
            numbers = sorted(self.step.channel_of, key=self.step.channel_of.__getitem__)
            black = [0, 0, 0]
            colours = [colours[self.source.positions.index(place)] for place in range(len(colours))]
            meta['palette'] = [colours[n - 1 + self.first_id] if n or self.first_id else black for n in numbers]
        meta.update(classes=self.step.names, label_map=None, reduce_zero_label=False)
        return meta

    def pixel_counts(self) -> np.ndarray:
        """Returns (channels,) int64: pixels per channel in the step's images, after mapping."""
        pixels = self.source.counts.pixels_by_id(self.indices)
        counts = np.zeros(256, dtype=np.int64)
        np.add.at(counts, self.table, pixels)
        return counts[: self.step.num_seen]

    def image_counts(self) -> np.ndarray:
        """Returns (channels,) int64: images of the step that show each channel, after mapping."""
        shown = self.source.counts.ids_of_images(self.indices)
        pairs = np.unique(np.stack([shown[0], self.table[shown[1]].astype(np.int64)]), axis=1)
        return np.bincount(pairs[1], minlength=256)[: self.step.num_seen]

    def describe(self) -> dict[str, Any]:
        """Returns the number of the step's images, and a checksum of their names and of what their masks show."""
        return {'images': len(self.indices), 'labels': self.source.counts.checksum(self.indices)}

    def get_data_info(self, index: int) -> dict[str, Any]:
        """Returns paths and settings of one image."""
        return self.dataset.get_data_info(int(self.indices[index]))

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, index: int) -> Any:
        """Returns one image through the pipeline.

        Raises:
            BrokenSampleError: If the image or its mask is broken.
            RuntimeError: If the pipeline keeps rejecting the image.
        """
        if not isinstance(index, DrawnIndex):
            return self._load(index)
        with seeded(index.seed if self.seed is None else self.seed, index.draw):
            return self._load(index)

    def _load(self, index: int) -> Any:
        """Loads one image; if the pipeline rejects it, tries again with other random numbers."""
        position = int(self.indices[index])
        for part in self._parts:
            if position < len(part):
                break
            position -= len(part)
        with naming_broken_files(part, position):
            for _ in range(TRIES):
                # Not part[position], which would replace a rejected image by any other, of any step.
                sample = part.prepare_data(position)
                if sample is not None:
                    return sample
            path = part.get_data_info(position).get('img_path')
            raise RuntimeError(f'{path}: the pipeline rejected it {TRIES} times.')
