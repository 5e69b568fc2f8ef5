"""Mask scans cached on disk: beside the masks, or in the user's cache folder."""

from __future__ import annotations

import hashlib
import os
import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from mmciss.protocols.scan import MaskScan, scan_masks
from mmciss.utils.files import cache_folder, write_atomically

_VERSION = 'mmciss-presence-1'
_FIELDS = ('indptr', 'ids', 'counts')


def load_or_scan(
    paths: Sequence[str | os.PathLike],
    cache_dir: str | os.PathLike | None = None,
    workers: int | None = None,
    progress: bool = True,
) -> MaskScan:
    """Returns the scan of masks, from the cache if the masks are unchanged.

    The cache is a hidden file in the masks' folder or, if that is not writable, a file in ``$MMCISS_CACHE`` or
    ``~/.cache/mmciss``. It is rebuilt if it is damaged or if any name, size or modification time (ns) has changed.

    Args:
        paths: The masks.
        cache_dir: Where to keep the cache instead.
        workers: Number of processes for a scan; all cores by default.
        progress: Whether a scan shows a progress bar.

    Raises:
        ConfigError: If masks are missing or unreadable.
    """
    files = [os.fspath(path) for path in paths]
    key = _content_key(files)
    if key is None:
        return scan_masks(files, workers, progress)  # A file is missing: the scan says which.
    caches = _cache_files(files, cache_dir)
    for cache in caches:
        scan = _read(cache, key, len(files))
        if scan is not None:
            return scan
    scan = scan_masks(files, workers, progress)
    # If a mask was replaced while the masks were read, the scan is used but not cached.
    if _content_key(files) == key:
        any(_write(cache, key, scan) for cache in caches)
    return scan


def _content_key(files: Sequence[str]) -> str | None:
    """Returns a hash of names, sizes and times, or None if a file is missing."""
    try:
        found = [os.stat(file) for file in files]
    except OSError:
        return None
    numbers = np.array([(item.st_size, item.st_mtime_ns) for item in found], dtype=np.int64)
    return _digest([_VERSION, *_relative(files)], numbers.tobytes())


def _digest(names: Sequence[str], content: bytes = b'') -> str:
    encoded = '\0'.join(names).encode('utf-8', 'surrogateescape')
    return hashlib.sha256(encoded + b'\0' + content).hexdigest()


def _relative(files: Sequence[str]) -> list[str]:
    """Returns the paths relative to their common folder, so that a data set can be moved with its cache."""
    start = len(_folder(files))
    return [file[start:].lstrip(os.sep) for file in files]


def _folder(files: Sequence[str]) -> str:
    return os.path.dirname(os.path.commonprefix([min(files), max(files)])) if files else ''


def _cache_files(files: Sequence[str], cache_dir: str | os.PathLike | None) -> list[Path]:
    """Returns where the cache may be, in order of preference."""
    folder = _folder(files) or '.'
    names = _digest(_relative(files))[:16]
    # Away from the masks, two data sets with the same file names must not share a cache file.
    away = _digest([os.path.realpath(folder), names])[:16]
    if cache_dir is not None:
        return [Path(cache_dir) / f'presence_{away}.npz']
    return [Path(folder) / f'.mmciss_presence_{names}.npz', cache_folder() / f'presence_{away}.npz']


def _read(cache: Path, key: str, num_images: int) -> MaskScan | None:
    """Returns the cached scan, or None if it is missing, damaged or of other masks."""
    try:
        with np.load(cache, allow_pickle=False) as stored:
            if str(stored['key']) != key:
                return None
            scan = MaskScan(*(stored[field] for field in _FIELDS))
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None
    sound = (
        scan.indptr.shape == (num_images + 1,)
        and scan.indptr[0] == 0
        and scan.ids.shape == scan.counts.shape == (scan.indptr[-1],)
    )
    return scan if sound else None


def _write(cache: Path, key: str, scan: MaskScan) -> bool:
    """Stores a scan; returns whether the place was writable."""

    def save(temporary: Path) -> None:
        with open(temporary, 'wb') as file:  # given a name, np.savez would append its suffix
            np.savez(file, key=np.array(key), **{field: getattr(scan, field) for field in _FIELDS})

    try:
        write_atomically(cache, save)
    except OSError:
        return False
    return True
