"""Published image lists: text files with one image per line."""
from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path, PurePath

import numpy as np

from mmciss.errors import ConfigError


def read_image_list(file: str | Path, paths: Sequence[str]) -> np.ndarray:
    """Returns the sorted indices of the images that a file lists.

    A line is a file name without suffix, or a path (or its end), of an image; further columns, such
    as the mask's path, are skipped. A file whose lines are all integers that are no image's name
    lists positions in the data set, from 0 (MiB's published lists).

    Args:
        file: The list.
        paths: Path of every image of the data set, in its order.

    Raises:
        FileNotFoundError: If there is no such list.
        ConfigError: If a line names no image, or several, with file and line number.
    """
    file = Path(file)
    if not file.is_file():
        raise FileNotFoundError(
            f'protocol.split_files: no file {str(file)!r}; one text file per step is '
            f'needed, with one image per line')
    lines = [(number, line.strip())
             for number, line in enumerate(file.read_text(encoding='utf-8').splitlines(), 1)
             if line.strip()]
    by_stem: dict[str, list[int]] = {}
    for index, path in enumerate(paths):
        by_stem.setdefault(PurePath(path).stem, []).append(index)
    # '2007_000032' is a number to int(), but no position.
    if all(line.isdecimal() and line not in by_stem for _, line in lines):
        found = [_position(line, len(paths), file, number) for number, line in lines]
    else:
        found = [_find(line, by_stem, paths, file, number) for number, line in lines]
    return np.unique(np.asarray(found, dtype=np.int64))


def _position(line: str, total: int, file: Path, number: int) -> int:
    if int(line) >= total:
        raise ConfigError(
            f'{file}, line {number}: position {line}; the data set has {total} images, so 0 to '
            f'{total - 1} are allowed')
    return int(line)


def _find(line: str, by_stem: dict[str, list[int]], paths: Sequence[str], file: Path,
          number: int) -> int:
    name = line
    candidates = by_stem.get(name) or by_stem.get(PurePath(name).stem)
    if candidates is None:
        name = line.split()[0]
        candidates = by_stem.get(name) or by_stem.get(PurePath(name).stem) or []
    if len(candidates) > 1 or '/' in name:
        parts = PurePath(name.lstrip('/')).parts
        parts = (*parts[:-1], PurePath(parts[-1]).stem)
        candidates = [index for index in candidates if _ends_with(paths[index], parts)]
    if not candidates:
        raise ConfigError(
            f'{file}, line {number}: {name!r} is no image of the data set '
            f'({len(paths)} images, the first is {paths[0] if len(paths) else None!r})')
    if len(candidates) > 1:
        raise ConfigError(
            f'{file}, line {number}: {name!r} could be any of '
            f'{", ".join(str(paths[index]) for index in candidates[:3])}; give more of the path')
    return candidates[0]


def _ends_with(path: str, parts: tuple[str, ...]) -> bool:
    pure = PurePath(path)
    return (*pure.parts[:-1], pure.stem)[-len(parts):] == parts
