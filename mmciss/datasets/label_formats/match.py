"""Which file is meant by the name of an image in an export: tools rename, move and flatten folders."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from mmciss.datasets.image_files import IMAGE_SUFFIXES
from mmciss.errors import ConfigError

_PREFIX = re.compile(r'^[0-9a-f]{8}-')
"""What Label Studio puts before the names of uploaded files."""


def image_files(folder: str | Path) -> list[Path]:
    """Returns the images in a folder and its subfolders.

    Raises:
        ConfigError: If there are none.
    """
    return files_in(folder, IMAGE_SUFFIXES, '--images')


def files_in(folder: str | Path, suffixes: Sequence[str], flag: str) -> list[Path]:
    """Returns the files of a folder and its subfolders that end with one of the suffixes, hidden ones excluded.

    Raises:
        ConfigError: If there are none; ``flag`` named the folder.
    """
    root = Path(folder)
    if not root.is_dir():
        raise ConfigError(f'{flag}: no folder {folder}')
    ends = tuple(suffix.lower() for suffix in suffixes)
    found = sorted(
        path
        for path in root.rglob('*')
        if path.name.lower().endswith(ends) and path.is_file() and not path.name.startswith('.')
    )
    if not found:
        raise ConfigError(f'{flag}: {folder} holds no file that ends with one of {", ".join(suffixes)}')
    return found


def match_images(names: Sequence[str], files: Sequence[Path], folder: str | Path) -> list[Path | None]:
    """Finds the file of each image of an export, suffixes aside.

    Either of the two paths may have more leading folders: ``train/1.jpg`` is ``1.png`` if nothing else is called so.

    Args:
        names: Names or paths, as the export has them.
        files: The images.
        folder: Where they are.

    Returns:
        The file of each name; None if there is none.

    Raises:
        ConfigError: If a name may mean several files, or two names mean the same.
    """
    by_end: dict[tuple[str, ...], list[Path]] = defaultdict(list)
    for file in files:
        parts = file.relative_to(folder).with_suffix('').parts
        for start in range(len(parts)):
            by_end[parts[start:]].append(file)
    found: list[Path | None] = []
    owner: dict[Path, str] = {}
    for name in names:
        plain = PurePosixPath(name.replace('\\', '/'))
        short = plain.with_name(_PREFIX.sub('', plain.name))
        meant = _find(plain, by_end, Path(folder)) or _find(short, by_end, Path(folder))
        if meant is not None and owner.setdefault(meant, name) != name:
            raise ConfigError(f'{meant}: is meant by both {owner[meant]} and {name}')
        found.append(meant)
    repeated = len(names) - len(set(names))
    if repeated:
        raise ConfigError(f'{repeated} images are listed twice, such as {max(names, key=list(names).count)}')
    return found


def _find(name: PurePosixPath, by_end: dict[tuple[str, ...], list[Path]], folder: Path) -> Path | None:
    parts = name.with_suffix('').parts if name.suffix.lower() in IMAGE_SUFFIXES else name.parts
    for start in range(len(parts)):
        hits = by_end.get(parts[start:], [])
        if start:  # the export has more folders than the file; the file may not have others
            hits = [hit for hit in hits if hit.relative_to(folder).with_suffix('').parts == parts[start:]]
        if len(hits) > 1:
            raise ConfigError(f'{name} may mean {" or ".join(map(str, hits[:3]))}; rename one, or give one folder')
        if hits:
            return hits[0]
    return None
