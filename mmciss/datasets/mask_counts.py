"""Counting the pixels of each label in every image of a data set."""

from __future__ import annotations

import hashlib
import os
import os.path as osp
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from mmengine.dataset import BaseDataset

from mmciss.datasets.wrapped import check_inside, parts_of
from mmciss.errors import ConfigError
from mmciss.protocols.labels import check_ids, class_of_id, dataset_id_table, unknown_ids
from mmciss.protocols.presence import ClassPresence
from mmciss.protocols.scan import load_or_scan


@dataclass(frozen=True, eq=False)
class MaskCounts:
    """Sparse pixel counts: one entry per image and label id that occurs in it.

    Attributes:
        paths: Path of each image.
        image: (E,) index of each entry's image.
        label: (E,) its id, as ``LoadAnnotations`` gives it.
        pixels: (E,) number of pixels.
    """

    paths: tuple[str, ...]
    image: np.ndarray
    label: np.ndarray
    pixels: np.ndarray

    def presence(self, num_classes: int, first_id: int) -> ClassPresence:
        """Returns the counts by class number, as :mod:`mmciss.protocols.settings` needs them."""
        column = class_of_id(num_classes, first_id)[self.label].astype(np.int64)
        kept = column >= 0
        size = (len(self.paths), num_classes + 1)
        dense = np.zeros(size, dtype=np.int64)
        np.add.at(dense, (self.image[kept], column[kept]), self.pixels[kept])
        return ClassPresence.from_counts(dense)

    def pixels_by_id(self, indices: np.ndarray) -> np.ndarray:
        """Returns (256,) int64: pixels of each id in the images ``indices``."""
        chosen = np.zeros(len(self.paths), dtype=bool)
        chosen[indices] = True
        kept = chosen[self.image]
        counts = np.zeros(256, dtype=np.int64)
        np.add.at(counts, self.label[kept], self.pixels[kept])
        return counts

    def ids_of_images(self, indices: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Returns the images among ``indices`` and the ids that their masks show, a pair of arrays of one length."""
        kept = np.isin(self.image, indices) & (self.pixels > 0)
        return self.image[kept], self.label[kept]

    def checksum(self, indices: np.ndarray) -> str:
        """Returns a checksum of images, in order: their file names and their pixels per id."""
        digest = hashlib.sha256()
        starts = np.searchsorted(self.image, np.asarray(indices))
        ends = np.searchsorted(self.image, np.asarray(indices), side='right')
        for index, start, end in zip(indices, starts, ends, strict=True):
            digest.update(f'{osp.basename(self.paths[index])}\0'.encode('utf-8', 'surrogateescape'))
            order = np.argsort(self.label[start:end], kind='stable')
            digest.update(self.label[start:end][order].astype('<i8').tobytes())
            digest.update(self.pixels[start:end][order].astype('<i8').tobytes())
        return digest.hexdigest()

    def check(self, masks: Sequence[str], num_classes: int, first_id: int) -> None:
        """Refuses masks with an id that belongs to no class.

        Raises:
            ConfigError: Naming the first such file and its ids.
        """
        if wrong := unknown_ids(np.unique(self.label).tolist(), num_classes, first_id):
            image = int(self.image[np.isin(self.label, wrong)].min())
            check_ids(self.label[self.image == image].tolist(), num_classes, first_id, where=masks[image])


def checked_infos(part: BaseDataset) -> list[dict[str, Any]]:
    """Returns what a data set knows about each image, after checking it.

    Raises:
        ConfigError: If an entry points outside the data set, if an image is missing or listed twice, or if there are
            no masks.
    """
    infos = [part.get_data_info(i) for i in range(len(part))]
    check_inside(part, infos)
    check_suffixes(part)
    if any('seg_map_path' not in info for info in infos):
        raise ConfigError(
            f'{type(part).__name__}.data_prefix.seg_map_path: not set; the masks decide which images a step sees.'
        )
    source = part.ann_file or type(part).__name__
    check_no_repeats([info['img_path'] for info in infos], source)
    missing = [info['img_path'] for info in infos if not osp.isfile(info['img_path'])]
    if missing and osp.exists(missing[0]):
        raise ConfigError(f'{source}: {missing[0]} is not a regular file.')
    if missing:
        raise ConfigError(f'{source}: {len(missing)} of {len(infos)} images do not exist, for example {missing[0]}.')
    return infos


def check_no_repeats(paths: Sequence[str], source: str) -> None:
    """Refuses lists that name an image twice, however spelled: ``./a`` and ``b/../a`` are ``a``.

    Raises:
        ConfigError: Naming the list and both spellings.
    """
    first: dict[str, str] = {}
    for path in paths:
        plain = osp.normpath(path)
        if plain in first:
            beside = '' if first[plain] == path else f', once as {first[plain]}'
            raise ConfigError(f'{source}: lists {path} twice{beside}.')
        first[plain] = path


def check_suffixes(part: BaseDataset) -> None:
    """Refuses folders with images that would be skipped because their suffix differs in upper or lower case.

    With an image list, nothing is skipped by suffix.

    Raises:
        ConfigError: Naming the first such file.
    """
    suffix, folder = getattr(part, 'img_suffix', None), part.data_prefix.get('img_path')
    if not suffix or not folder or not osp.isdir(folder) or (part.ann_file and osp.isfile(part.ann_file)):
        return
    left_out = sorted(
        name
        for _, _, files in os.walk(folder)
        for name in files
        if name.lower().endswith(suffix.lower()) and not name.endswith(suffix)
    )
    if left_out:
        raise ConfigError(
            f'{type(part).__name__}.img_suffix: {suffix!r} leaves out {len(left_out)} images in {folder} whose '
            f'suffix differs in case, for example {left_out[0]}. Rename them, or list the images in an ann_file'
        )


def count_masks(dataset: Any, num_classes: int, first_id: int, cache_dir: str | None = None) -> MaskCounts:
    """Counts the pixels of each label in every mask of a data set.

    The masks are read once; later calls read a cache next to them or in ``cache_dir``.

    Args:
        dataset: A plain or concatenated data set.
        num_classes: Number of foreground classes.
        first_id: The data set's id of class 1.
        cache_dir: Where to keep the counts, if not next to the masks.

    Raises:
        ConfigError: If an image or mask is missing, if a mask is unreadable or has an id that belongs to no class, or
            if an entry of the image list points outside the data set.
    """
    parts = parts_of(dataset)
    infos = [checked_infos(part) for part in parts]
    masks = [info['seg_map_path'] for group in infos for info in group]
    if not masks:
        names = ', '.join(part.ann_file or type(part).__name__ for part in parts)
        raise ConfigError(f'{names}: lists no images.')
    raw = load_or_scan(masks, cache_dir=cache_dir)
    image = np.repeat(np.arange(len(masks)), np.diff(raw.indptr))
    label = np.empty(len(image), dtype=np.uint8)
    start = 0
    for part, group in zip(parts, infos, strict=True):
        table = dataset_id_table(part.reduce_zero_label, part.label_map)
        entries = slice(raw.indptr[start], raw.indptr[start + len(group)])
        label[entries] = table[raw.ids[entries]]
        start += len(group)
    counts = MaskCounts(
        tuple(info['img_path'] for group in infos for info in group), image, label, np.asarray(raw.counts)
    )
    counts.check(masks, num_classes, first_id)
    return counts
