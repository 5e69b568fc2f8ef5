"""Finding a data set's images by what users write: published image lists, and domains."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path, PurePath

import numpy as np

from mmciss.errors import ConfigError
from mmciss.utils.text_files import read_text


def read_image_list(file: str | Path, paths: Sequence[str]) -> np.ndarray:
    r"""Returns the sorted indices of the images that a file lists.

    A line holds the name of an image without its suffix, or its path or the end of it, with ``/`` or ``\``; further
    columns, such as the mask's path, are skipped. If all lines are integers and none is the name of an image, they
    are positions in the data set, counted from 0 (MiB's published lists).

    Args:
        file: The list.
        paths: Path of every image of the data set, in its order.

    Raises:
        FileNotFoundError: If there is no such list.
        ConfigError: If a line names no image or several, or is not UTF-8, with file and line number.
    """
    file = Path(file)
    if not file.is_file():
        raise FileNotFoundError(
            f'protocol.split_files: no file {str(file)!r}; give one text file per step, with one image per line'
        )
    lines = [
        (number, line.strip())
        for number, line in enumerate(read_text(file, 'protocol.split_files').splitlines(), 1)
        if line.strip()
    ]
    by_stem: dict[str, list[int]] = {}
    for index, path in enumerate(paths):
        by_stem.setdefault(_stem(path), []).append(index)
    # int() would accept '2007_000032', which is a name.
    if all(line.isdecimal() and line not in by_stem for _, line in lines):
        found = [_position(line, len(paths), file, number) for number, line in lines]
    else:
        found = [_find(line, by_stem, paths, file, number) for number, line in lines]
    return np.unique(np.asarray(found, dtype=np.int64))


def _position(line: str, total: int, file: Path, number: int) -> int:
    if int(line) >= total:
        raise ConfigError(
            f'{file}, line {number}: position {line}; the data set has {total} images, allowed are 0 to {total - 1}'
        )
    return int(line)


def _find(line: str, by_stem: dict[str, list[int]], paths: Sequence[str], file: Path, number: int) -> int:
    # Try the whole line first: file names may contain spaces.
    for name in (line, line.split()[0]):
        candidates = _candidates(os.path.normpath(name.replace('\\', '/')), by_stem, paths)
        if len(candidates) == 1:
            return candidates[0]
        if candidates:
            raise ConfigError(
                f'{file}, line {number}: {name!r} could be any of '
                f'{", ".join(paths[index] for index in candidates[:3])}; give more of its path'
            )
    raise ConfigError(
        f'{file}, line {number}: {name!r} is not an image of the data set '
        f'({len(paths)} images, the first is {paths[0] if len(paths) else None!r})'
    )


def _candidates(name: str, by_stem: dict[str, list[int]], paths: Sequence[str]) -> list[int]:
    last = os.path.basename(name)
    found = by_stem.get(last) or by_stem.get(_stem(last)) or []
    if '/' not in name and len(found) < 2:
        return found
    ending = '/' + name.lstrip('/')
    whole = {index: f'/{os.path.normpath(paths[index])}' for index in found}
    return [
        index for index, path in whole.items() if path.endswith(ending) or os.path.splitext(path)[0].endswith(ending)
    ]


def _stem(path: str) -> str:
    return os.path.splitext(os.path.basename(path))[0]


def domain_of(path: str, domains: Sequence[str]) -> str | None:
    """Returns the domain of an image: the folder it is in, or the start of its file name.

    Examples:
        >>> domain_of('train/ulm/ulm_000001_000019_leftImg8bit.png', ['jena', 'ulm'])
        'ulm'
    """
    pure = PurePath(path)
    for folder in reversed(pure.parts[:-1]):
        if folder in domains:
            return folder
    return next(
        (
            name
            for name in sorted(domains, key=len, reverse=True)
            if pure.stem == name or pure.stem.startswith(f'{name}_')
        ),
        None,
    )


def domains_of(paths: Sequence[str], domains: Sequence[str]) -> list[str]:
    """Returns the domain of every image.

    Raises:
        ConfigError: If an image belongs to no domain of the protocol.
    """
    found = [domain_of(str(path), domains) for path in paths]
    unknown = [str(path) for path, domain in zip(paths, found, strict=True) if domain is None]
    if unknown:
        raise ConfigError(
            f'protocol.domains: {len(unknown)} images belong to no domain, for example {unknown[0]}. '
            f'Domains: {", ".join(domains)}; the domain of an image is its folder, or the start of its file name'
        )
    return [domain for domain in found if domain is not None]
