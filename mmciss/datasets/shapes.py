"""The built-in data set: twenty drawn shapes in the layout of PASCAL VOC, written on first use."""

from __future__ import annotations

import json
import logging
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from mmengine.logging import print_log
from mmseg.datasets import BaseSegDataset
from mmseg.registry import DATASETS
from PIL import Image

from mmciss.datasets.shape_pictures import NAMES, draw_picture
from mmciss.errors import ConfigError
from mmciss.utils.palettes import voc_palette

try:
    import fcntl
except ImportError:  # Not a POSIX system: if two first runs start at once, both draw and one of them wins.
    fcntl = None  # type: ignore[assignment]

VERSION = 1
"""Raised whenever a change alters the pictures."""
MARKER = 'shapes.json'


@DATASETS.register_module()
class ShapesDataset(BaseSegDataset):
    """Pictures of drawn shapes, made on first use (about 20 s), so that every machine has data.

    Each picture of 96x96 pixels shows two to five objects of different classes, partly covering each other, on varied
    backgrounds; labels have a border of 255, as in VOC. :mod:`mmciss.datasets.shape_pictures` says how the classes
    differ.

    Args:
        ann_file: Image list below ``data_root``.
        data_root: Folder of the data set, drawn if it does not exist.
        data_prefix: Folders of images and masks below ``data_root``.
        drawing: Arguments of :func:`ensure_shapes` other than the folder: ``seed``, ``train``, ``val``, ``side``.
        **kwargs: As for ``BaseSegDataset``.

    Raises:
        ConfigError: If ``data_root`` contains something else, or pictures of another version.
    """

    METAINFO: ClassVar[dict[str, Any]] = dict(classes=('background', *NAMES), palette=voc_palette(len(NAMES) + 1))

    def __init__(
        self,
        ann_file: str = 'ImageSets/Segmentation/train.txt',
        data_root: str = 'data/shapes',
        data_prefix: dict[str, str] | None = None,
        drawing: dict[str, int] | None = None,
        **kwargs: Any,
    ) -> None:
        if drawing is not None or not (Path(data_root) / 'ImageSets').exists():
            ensure_shapes(data_root, **(drawing or {}))
        check_version(data_root)
        super().__init__(
            ann_file=ann_file,
            data_root=data_root,
            data_prefix=data_prefix or dict(img_path='JPEGImages', seg_map_path='SegmentationClass'),
            **{'img_suffix': '.png', 'seg_map_suffix': '.png', **kwargs},
        )


@dataclass(frozen=True)
class ShapesSpec:
    """Everything that determines the pictures: seed, numbers of pictures, side in pixels."""

    seed: int = 0
    train: int = 800
    val: int = 200
    side: int = 96
    version: int = VERSION

    def __post_init__(self) -> None:
        if min(self.train, self.val) < 1 or self.side < 32:
            raise ConfigError(
                'shapes: needs at least 1 train and 1 val picture of at least 32 '
                f'pixels, got train={self.train}, val={self.val}, side={self.side}.'
            )


def ensure_shapes(root: str | Path, seed: int = 0, train: int = 800, val: int = 200, side: int = 96) -> Path:
    """Draws the shapes data set, unless it exists.

    Files are written to a neighbouring folder, which is renamed at the end, so an existing data set is complete. The
    same arguments give the same pixels on any machine.

    Args:
        root: Folder to make: ``JPEGImages``, ``SegmentationClass``, ``ImageSets/Segmentation``.
        seed: Any integer.
        train: Number of training pictures.
        val: Number of validation pictures.
        side: Height and width in pixels.

    Returns:
        The folder.

    Raises:
        ConfigError: If the folder contains something else.
    """
    root, spec = Path(root), ShapesSpec(seed, train, val, side)
    if check_marker(root, spec):
        return root
    root.parent.mkdir(parents=True, exist_ok=True)
    with _locked(root.parent / f'.{root.name}.lock'):
        if check_marker(root, spec):
            return root
        print_log(
            f'Drawing the shapes data set into {root} ({train + val} pictures, only once)',
            logger='current',
            level=logging.INFO,
        )
        unfinished = root.parent / f'.{root.name}.unfinished'
        if fcntl is None:
            unfinished = unfinished.with_name(f'{unfinished.name}.{os.getpid()}')
        shutil.rmtree(unfinished, ignore_errors=True)
        for part in ('JPEGImages', 'SegmentationClass', 'ImageSets/Segmentation'):
            (unfinished / part).mkdir(parents=True)
        _write_split(unfinished, 'train', train, spec)
        _write_split(unfinished, 'val', val, spec)
        (unfinished / MARKER).write_text(json.dumps(asdict(spec)) + '\n')
        os.replace(unfinished, root)
    return root


def check_marker(root: Path, spec: ShapesSpec) -> bool:
    """Whether ``root`` already contains these pictures.

    Raises:
        ConfigError: If the folder contains something else; it is never overwritten.
    """
    if not root.exists() or (root.is_dir() and not any(root.iterdir())):
        return False
    try:
        found = json.loads((root / MARKER).read_text())
    except (OSError, ValueError):
        raise ConfigError(
            f'data_root: {root} exists but has no {MARKER}, so it was not drawn by mmciss and is '
            'not overwritten. Choose another data_root, or remove the folder yourself.'
        ) from None
    if found != asdict(spec):
        raise ConfigError(
            f'data_root: {root} holds the shapes {found}, the config asks for '
            f'{asdict(spec)}. Choose another data_root, or remove the folder.'
        )
    return True


def check_version(root: str | Path) -> None:
    """Refuses pictures drawn by another version of mmciss, whose results would not be comparable.

    Raises:
        ConfigError: Naming both versions.
    """
    marker = Path(root) / MARKER
    found = json.loads(marker.read_text()).get('version') if marker.exists() else VERSION
    if found != VERSION:
        raise ConfigError(
            f'data_root: {root} holds version {found} of the shapes, this mmciss '
            f'draws version {VERSION}. Choose another data_root, or remove it.'
        )


def _write_split(folder: Path, split: str, count: int, spec: ShapesSpec) -> None:
    """Writes the pictures and the image list of one split."""
    palette = [value for colour in voc_palette() for value in colour]
    names = [f'{split}_{i:05d}' for i in range(count)]
    for i, name in enumerate(names):
        # Each picture has its own seed: the first ones stay the same if more are requested.
        rng = np.random.RandomState([spec.seed & 0xFFFFFFFF, split == 'val', i])
        picture = draw_picture(rng, spec.side)
        Image.fromarray(picture.image).save(folder / 'JPEGImages' / f'{name}.png', compress_level=1)
        mask = Image.fromarray(picture.labels)
        mask.putpalette(palette)
        mask.save(folder / 'SegmentationClass' / f'{name}.png')
    (folder / 'ImageSets' / 'Segmentation' / f'{split}.txt').write_text('\n'.join(names) + '\n')


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Holds a file lock: of several processes (ranks, runs), one draws while the others wait."""
    with open(path, 'w') as file:
        if fcntl is not None:
            fcntl.flock(file, fcntl.LOCK_EX)
        yield
