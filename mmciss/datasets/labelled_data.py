"""Images and their masks: from two folders, a labelling tool's export, or a data set of MMSegmentation."""

from __future__ import annotations

import copy
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from mmciss.datasets.expected_layout import check_layout
from mmciss.datasets.image_files import IMAGE_SUFFIXES, IMAGES, MASKS, Reader
from mmciss.datasets.image_pairs import ImagePair
from mmciss.datasets.label_formats import LabelExport, convert_once
from mmciss.datasets.label_formats.match import files_in
from mmciss.datasets.mask_counts import checked_infos
from mmciss.datasets.wrapped import build_dataset, parts_of
from mmciss.errors import ConfigError, prefixed, unknown_name
from mmciss.utils.configs import dataset_configs, load_config

MASK_SUFFIXES = ('.png', '.bmp', '.tif', '.tiff')
Readers = tuple[Reader | None, Reader | None]
"""How images are decoded, and how masks."""


class Pair(NamedTuple):
    """Paths of an image and its mask."""

    image: str
    mask: str


@dataclass(frozen=True)
class LabelledData:
    """Pairs from one source.

    Attributes:
        flag: The flag that named the masks.
        path: The folder, export or config that was given.
        pairs: The pairs, sorted by image.
        names: Class names by id, after MMSegmentation has read the masks; None for folders.
        reduce_zero_label, label_map: How MMSegmentation changes the ids when it reads the masks.
        notes: What the user should know about the source, as sentences.
    """

    flag: str
    path: str
    pairs: tuple[Pair, ...]
    names: tuple[str, ...] | None = None
    reduce_zero_label: bool = False
    label_map: dict[int, int] | None = None
    notes: tuple[str, ...] = ()

    @property
    def source(self) -> str:
        """Flag and path, for messages."""
        return f'{self.flag} {self.path}'

    def check_sizes(self, readers: Readers = (IMAGES, MASKS)) -> list[tuple[int, int]]:
        """Returns height and width of every image in pixels, and refuses masks of another size than their image."""
        sizes = []
        for pair in self.pairs:
            with prefixed(self.source):
                size = ImagePair(pair.image, pair.mask, *readers).check_size()
                if size is None:
                    raise ConfigError(f'{pair.image} or {pair.mask} has an unknown format, so its size is unknown')
            sizes.append((size.height, size.width))
        return sizes


def data_of_folders(
    images: str | Path,
    masks: str | Path,
    image_suffix: str | None = None,
    mask_suffix: str | None = None,
    flags: Sequence[str] = ('--images', '--masks'),
) -> LabelledData:
    """Pairs the files of two folders, subfolders included, by name without suffix.

    Suffixes are endings such as ``'_leftImg8bit.png'``, the usual ones if None; ``flags`` name the folders.

    Raises:
        ConfigError: If a folder is missing or empty, or files do not pair.
    """
    found_images = _by_name(images, (image_suffix,) if image_suffix else IMAGE_SUFFIXES, flags[0])
    found_masks = _by_name(masks, (mask_suffix,) if mask_suffix else MASK_SUFFIXES, flags[1])
    unpaired = {
        f'images in {images} have no mask': sorted(found_images.keys() - found_masks.keys()),
        f'masks in {masks} have no image': sorted(found_masks.keys() - found_images.keys()),
    }
    with prefixed(', '.join(flags)):
        if parts := [f'{len(names)} {what} (such as {names[0]})' for what, names in unpaired.items() if names]:
            raise ConfigError(
                f'files do not pair: {" and ".join(parts)}. Each image needs a mask of the same name; if the names '
                f'end differently, give the endings with --image-suffix and --mask-suffix.'
            )
        for name, image in found_images.items():
            if os.path.samefile(image, found_masks[name]):
                raise ConfigError(f'{image} is given as an image and as its mask')
    return LabelledData(
        flags[1], str(masks), tuple(Pair(found_images[name], found_masks[name]) for name in sorted(found_images))
    )


def _by_name(folder: str | Path, suffixes: Sequence[str], flag: str) -> dict[str, str]:
    """Returns the files of a folder that end with one of the suffixes, by their path without it."""
    found: dict[str, str] = {}
    for path in files_in(folder, suffixes, flag):
        suffix = next(item for item in suffixes if path.name.lower().endswith(item.lower()))
        name = str(path.relative_to(folder))[: -len(suffix)]
        if name in found:
            raise ConfigError(f'{flag}: {found[name]} and {path} have the same name without suffix; keep one of them')
        found[name] = str(path)
    return found


def data_of_export(
    export: LabelExport, images: str | Path, folder: str | Path, flags: Sequence[str], classes: Sequence[str] = ()
) -> LabelledData:
    """Converts an export, unless that was done before, and returns its pairs.

    Args:
        export: The labels.
        images: Folder of the images; those without labels are left out.
        folder: Where a folder for the masks is made.
        flags: The flags that named images and labels.
        classes: Names that the export must have, in upper or lower case.

    Raises:
        ConfigError: Naming the flag, the file and the value that is wrong.
    """
    known = {name.lower() for name in export.classes}
    for name in classes:
        if name.lower() not in known:
            raise unknown_name(f'class of {export.path}', name, export.classes, '--classes')
    with prefixed(flags[1]):
        conversion = convert_once(export, images, Path(folder))
        if conversion.missing:
            raise ConfigError(
                f'{export.path} labels {len(conversion.missing)} images that are not in {images}, such as '
                f'{conversion.missing[0]}'
            )
    notes = conversion.warnings()
    if conversion.unlabelled:
        notes.insert(0, f'{len(conversion.unlabelled)} images in {images} have no labels and are left out.')
    pairs = tuple(Pair(*pair) for pair in conversion.pairs)
    return LabelledData(flags[1], str(export.path), pairs, conversion.names, notes=tuple(notes))


def data_of_config(path: str | Path, flag: str, split: str = 'train') -> LabelledData:
    """Reads the pairs of a data set of MMSegmentation.

    Args:
        path: A config with data loaders, or with a data set under ``dataset``.
        flag: The flag that named it.
        split: Which data loader to prefer, ``'train'`` or ``'test'``.

    Raises:
        ConfigError: If there is no such data set, or it has no class names.
    """
    cfg = load_config(path)
    order = ('train', 'val', 'test') if split == 'train' else ('test', 'val', 'train')
    datasets = dataset_configs(cfg)
    config: Any = copy.deepcopy(next((datasets[name] for name in order if name in datasets), cfg.get('dataset')))
    if not config:
        raise ConfigError(f"{flag}: {path} has neither {order[0]}_dataloader.dataset nor a key 'dataset'")
    with prefixed(f'{flag}: {path}'):
        check_layout(config)
        parts = parts_of(build_dataset(config))
        names = tuple(map(str, parts[0].metainfo.get('classes') or ()))
        if not names:
            raise ConfigError('the data set has no class names (metainfo.classes)')
        pairs = [Pair(info['img_path'], info['seg_map_path']) for part in parts for info in checked_infos(part)]
        readings = {(bool(part.reduce_zero_label), tuple(sorted((part.label_map or {}).items()))) for part in parts}
        if len(readings) > 1:
            raise ConfigError(
                f'its {len(parts)} data sets read their masks differently (reduce_zero_label, classes); give one at a '
                f'time, or masks with the same ids'
            )
    ((reduce_zero_label, label_map),) = readings
    return LabelledData(flag, str(path), tuple(pairs), names, reduce_zero_label, dict(label_map) or None)
