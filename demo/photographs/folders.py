"""The photographs of each stage as folders of images and masks, as a user would have them."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np

CLASSES = ('background', 'cat', 'cow', 'dog', 'horse', 'person', 'sheep')
PALETTE = ((0, 0, 0), (64, 0, 0), (64, 128, 0), (64, 0, 128), (192, 0, 128), (192, 128, 128), (128, 64, 0))
STAGES = ((1, 2, 3), (4,), (5, 6))
"""Ids of the classes that each stage adds: the model to start from, then two extensions."""


def only(mask: np.ndarray, kept: Iterable[int]) -> np.ndarray:
    """Makes every class background but those that are kept; 255 stays."""
    table = np.zeros(256, np.uint8)
    table[255] = 255
    for index in kept:
        table[index] = index
    return table[mask]


def as_new(mask: np.ndarray, new: Iterable[int]) -> np.ndarray:
    """Numbers the new classes from 1 on and makes everything else 0, not labelled; 255 stays."""
    table = np.zeros(256, np.uint8)
    table[255] = 255
    for number, index in enumerate(new, start=1):
        table[index] = number
    return table[mask]


@contextmanager
def new_folder(folder: Path) -> Iterator[Path]:
    """Gives a folder with empty ``images/`` and ``masks/``, which gets its name once all is in it."""
    part = folder.with_name(folder.name + '.part')
    shutil.rmtree(part, ignore_errors=True)
    for kind in ('images', 'masks'):
        (part / kind).mkdir(parents=True)
    yield part
    part.rename(folder)


def write_folder(
    source: Path, names: Iterable[str], folder: Path, convert: Callable[[np.ndarray], np.ndarray], short_side: int
) -> int:
    """Writes ``images/`` and ``masks/`` of the images on which something is labelled.

    Args:
        source: The folder VOC2012 of voc6.
        names: Names of images.
        folder: Where they go; nothing is done if it is there.
        convert: Makes of a mask with the ids of voc6 what is labelled.
        short_side: Of the photographs written, in pixels.

    Returns:
        The number of images.
    """
    if folder.is_dir():
        return len(list((folder / 'images').iterdir()))
    with new_folder(folder) as part:
        for name in names:
            mask = convert(cv2.imread(str(source / 'SegmentationVoc6' / f'{name}.png'), cv2.IMREAD_UNCHANGED))
            if not ((mask > 0) & (mask < 255)).any():
                continue
            image = cv2.imread(str(source / 'JPEGImages' / f'{name}.jpg'))
            size = tuple(round(side * short_side / min(mask.shape)) for side in mask.shape[::-1])
            cv2.imwrite(str(part / 'masks' / f'{name}.png'), cv2.resize(mask, size, interpolation=cv2.INTER_NEAREST))
            cv2.imwrite(
                str(part / 'images' / f'{name}.jpg'),
                cv2.resize(image, size, interpolation=cv2.INTER_AREA),
                [cv2.IMWRITE_JPEG_QUALITY, 95],
            )
    return len(list((folder / 'images').iterdir()))


def write_folders(source: Path, out: Path, short_side: int) -> dict[str, int]:
    """Writes the folders of all stages and returns the number of images of each.

    ``base``, ``everything_1`` and ``everything`` label all classes of the stages so far; ``new_1`` and ``new_2`` only
    the new ones; ``naive_1`` and ``naive_2`` the same with the ids of the wider model. ``val_0`` to ``val_2`` label all
    classes so far, on every second photograph of the validation list, ``others_0`` to ``others_2`` on the rest;
    ``few_0`` to ``few_2`` are some of the former, for the report of an extension.
    """
    train, val = (
        (source / 'ImageSets/Segmentation' / f'{split}.txt').read_text(encoding='utf-8').split()
        for split in ('train_aug', 'val')
    )

    def write(names: Iterable[str], folder: Path, convert: Callable[[np.ndarray], np.ndarray]) -> int:
        return write_folder(source, names, folder, convert, short_side)

    counts = {'base': write(train, out / 'base', lambda mask: only(mask, STAGES[0]))}
    for stage, new in enumerate(STAGES[1:], start=1):
        counts[f'new_{stage}'] = write(train, out / f'new_{stage}', lambda mask: as_new(mask, new))
        write(train, out / f'naive_{stage}', lambda mask: only(mask, new))
    for stage, name in ((1, 'everything_1'), (2, 'everything')):
        counts[name] = write(train, out / name, lambda mask: only(mask, seen(stage)[1:]))
    for stage in range(len(STAGES)):
        known = seen(stage)[1:]
        counts[f'val_{stage}'] = write(val[::2], out / f'val_{stage}', lambda mask: only(mask, known))
        write(val[1::2], out / f'others_{stage}', lambda mask: only(mask, known))
        write(val[::8], out / f'few_{stage}', lambda mask: only(mask, known))
    return counts


def write_some(source: Path, out: Path, count: int, seed: int) -> Path:
    """Copies some pairs of a folder, chosen by the seed, as few labelled images as a user may have.

    Args:
        source: A folder of :func:`write_folder`.
        out: Where the folder goes; nothing is done if it is there.
        count: How many pairs.
        seed: Seed of the choice.

    Returns:
        The folder.
    """
    folder = out / f'{source.name}_{count}'
    if not folder.is_dir():
        names = sorted(path.stem for path in (source / 'images').iterdir())
        random.Random(seed).shuffle(names)
        with new_folder(folder) as part:
            for kind, suffix in (('images', '.jpg'), ('masks', '.png')):
                for name in names[:count]:
                    shutil.copyfile(source / kind / (name + suffix), part / kind / (name + suffix))
    return folder


def join(parts: Iterable[Path], folder: Path) -> Path:
    """Copies the pairs of several folders into one; a photograph that is in two has the labels of both.

    Args:
        parts: Folders of :func:`write_folder`.
        folder: Where they go; nothing is done if it is there.

    Returns:
        The folder.
    """
    if folder.is_dir():
        return folder
    with new_folder(folder) as part:
        for source in parts:
            for path in sorted((source / 'masks').iterdir()):
                mask, there = cv2.imread(str(path), cv2.IMREAD_UNCHANGED), part / 'masks' / path.name
                if there.is_file():
                    before = cv2.imread(str(there), cv2.IMREAD_UNCHANGED)
                    mask = np.where(mask > 0, mask, before)
                cv2.imwrite(str(there), mask)
                shutil.copyfile(source / 'images' / f'{path.stem}.jpg', part / 'images' / f'{path.stem}.jpg')
    return folder


def seen(stage: int) -> list[int]:
    """Returns the ids of all classes up to a stage, the background first."""
    return [0, *(index for new in STAGES[: stage + 1] for index in new)]
