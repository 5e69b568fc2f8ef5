"""One step's view of an ordinary data set."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from mmengine.dataset import BaseDataset
from mmengine.logging import print_log
from mmseg.registry import DATASETS
from torch.utils.data import Dataset

from mmciss.datasets.broken_sample import naming_broken_files
from mmciss.datasets.class_match import classes_of, match_classes
from mmciss.datasets.expected_layout import check_layout
from mmciss.datasets.mask_counts import MaskCounts, count_masks
from mmciss.datasets.samplers.drawn_index import DrawnIndex
from mmciss.datasets.seeding import seeded
from mmciss.datasets.transforms.map_labels import MapLabels
from mmciss.datasets.wrapped import build_dataset, copy_parts, parts_of, with_label_map
from mmciss.errors import ConfigError, unknown_name
from mmciss.protocols.build import build_protocol
from mmciss.protocols.labels import LabelPolicy, label_policy
from mmciss.protocols.presence import ClassPresence
from mmciss.protocols.protocol import Protocol
from mmciss.protocols.settings import select_images, select_test_images
from mmciss.protocols.step import BACKGROUND, Step

SPLITS = ('train', 'val', 'test')
TRIES = 100
"""How often a pipeline may reject an image in a row."""


@DATASETS.register_module()
class IncrementalDataset(Dataset):
    """Shows the images of one step, labelled as that step may see them.

    The wrapped data set stays as it is. Its pipeline gets one more transform, right after the
    annotations are loaded, that maps ids to channels; ``metainfo`` names the channels.

    If an index comes from :class:`mmciss.datasets.samplers.IncrementalInfiniteSampler`, the
    pipeline's random numbers depend on the seed and the index's place in the stream alone: the
    same for any number of workers, interrupted or not.

    Args:
        dataset: Config of, or built, data set derived from ``BaseSegDataset``, or ``ConcatDataset``
            of such.
        protocol: A protocol, or the config key ``protocol``.
        step_index: Which step.
        policy: Preset or fields of the label policy.
        split: ``'train'``: images and labels to learn from. ``'val'``, ``'test'``: images to test
            on, with the labels of all classes seen so far.
        cache_dir: Where to keep the label counts, if not beside the masks.
        seed: Seed of augmentation; the sampler's if None.
        lazy_init: Whether to read masks only in :meth:`full_init`.
        classes: Class names of the training data, if this is other data: its classes are found by their names,
            whatever their order.

    Attributes:
        dataset: The wrapped data set, with labels mapped.
        protocol, step, step_index, policy, split: As above.
        classes: Class names as the training data numbers them.
        first_id: The data set's id of class 1: 1 if its class 0 is called 'background', else 0.
        table: (256,) uint8, from ids of the data set to channels.
        indices: (images,) sorted positions in the wrapped data set.
        presence: Pixels of every class in every image of the wrapped data set.

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
        if isinstance(dataset, Mapping):
            check_layout(dataset)
            dataset = build_dataset(dataset)
        plain = parts_of(dataset)
        own = classes_of(plain)
        self.classes = own if classes is None else tuple(classes)
        self._positions = match_classes(own, self.classes, f'{split}_dataloader.dataset.metainfo.classes')
        self.first_id = int(self.classes[0] == BACKGROUND)
        self.class_names = self.classes[self.first_id :]
        self.protocol = build_protocol(protocol, self.class_names, background=self.first_id == 1)
        if self.protocol.num_classes != len(self.class_names):
            raise ConfigError(
                f'protocol: is about {self.protocol.num_classes} classes, the data '
                f'set {type(plain[0]).__name__} has {len(self.class_names)}.'
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
        self.cache_dir = cache_dir
        self.seed = seed
        make = self.policy.train_table if split == 'train' else self.policy.test_table
        self.table: np.ndarray = make(self.step, len(self.class_names), self.first_id)
        self.table[: len(own)] = self.table[list(self._positions)]
        mapper = MapLabels(self.table)
        self.dataset = copy_parts(
            dataset, {id(part): with_label_map(part, mapper, required=split != 'test') for part in plain}
        )
        self._parts: list[BaseDataset] = parts_of(self.dataset)
        self.indices = np.zeros(0, dtype=np.int64)
        self._presence: ClassPresence | None = None
        self._counts: MaskCounts | None = None
        if not lazy_init:
            self.full_init()

    def full_init(self) -> None:
        """Reads the image lists and the masks' label counts, and chooses the step's images."""
        if self._counts is not None:
            return
        self.dataset.full_init()
        counts = count_masks(self.dataset, len(self.class_names), self.first_id, self.cache_dir)
        numbers = [position + 1 - self.first_id for position in self._positions]
        presence = counts.presence(len(self.class_names), self.first_id).renumbered(
            numbers if self.first_id else [0, *numbers]
        )
        if self.split == 'train':
            chosen = select_images(self.protocol, self.step_index, presence, counts.paths)
        else:
            chosen = select_test_images(self.protocol, self.step_index, presence, self.policy.test_images, counts.paths)
            if not len(chosen):
                print_log(
                    f'protocol: step {self.step_index} of {self.protocol.name!r} has no '
                    f'image to test on among {presence.num_images}',
                    'current',
                    logging.WARNING,
                )
        self.indices = np.asarray(chosen, dtype=np.int64)
        self._presence, self._counts = presence, counts

    @property
    def presence(self) -> ClassPresence:
        """Pixels of every class in every image of the wrapped data set, before any mapping."""
        self.full_init()
        return self._presence

    @property
    def metainfo(self) -> dict[str, Any]:
        """What visualizers and metrics ask for: names and colours of the channels."""
        meta = dict(self._parts[0].metainfo)
        colours = [list(map(int, colour)) for colour in meta.get('palette') or ()]
        if len(colours) == len(self.class_names) + self.first_id:
            numbers = sorted(self.step.channel_of, key=self.step.channel_of.get)
            black = [0, 0, 0]
            colours = [colours[self._positions.index(place)] for place in range(len(colours))]
            meta['palette'] = [colours[n - 1 + self.first_id] if n or self.first_id else black for n in numbers]
        meta.update(classes=self.step.names, label_map=None, reduce_zero_label=False)
        return meta

    def pixel_counts(self) -> np.ndarray:
        """Returns (channels,) int64: pixels per channel in the step's images, after mapping."""
        self.full_init()
        pixels = self._counts.pixels_by_id(self.indices)
        counts = np.zeros(256, dtype=np.int64)
        np.add.at(counts, self.table, pixels)
        return counts[: self.step.num_seen]

    def describe(self) -> dict[str, Any]:
        """Returns how many images the step has, and a checksum of their names and of what their masks show."""
        self.full_init()
        return {'images': len(self.indices), 'labels': self._counts.checksum(self.indices)}

    def get_data_info(self, index: int) -> dict[str, Any]:
        """Returns paths and settings of one image."""
        self.full_init()
        return self.dataset.get_data_info(int(self.indices[index]))

    def __len__(self) -> int:
        self.full_init()
        return len(self.indices)

    def __getitem__(self, index: int) -> Any:
        """Returns one image through the pipeline.

        Raises:
            BrokenSampleError: If the image or its mask is broken.
            RuntimeError: If the pipeline gives nothing.
        """
        if not isinstance(index, DrawnIndex):
            return self._load(index)
        with seeded(index.seed if self.seed is None else self.seed, index.draw):
            return self._load(index)

    def _load(self, index: int) -> Any:
        """Loads one image; a pipeline that rejects it tries again with other random numbers."""
        position = int(self.indices[index])
        for part in self._parts:
            if position < len(part):
                break
            position -= len(part)
        with naming_broken_files(part, position):
            for _ in range(TRIES):
                # Not part[position]: that would replace a rejected image by any other, of any step.
                sample = part.prepare_data(position)
                if sample is not None:
                    return sample
            path = part.get_data_info(position).get('img_path')
            raise RuntimeError(f'{path}: the pipeline rejected it {TRIES} times.')
