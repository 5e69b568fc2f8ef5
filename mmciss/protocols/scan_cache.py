"""Scans of masks, kept on disk: beside the masks, or where the user may write."""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from mmciss.protocols.scan import MaskScan, scan_masks

_VERSION = 'mmciss-presence-1'
_FIELDS = ('indptr', 'ids', 'counts')


def load_or_scan(
    paths: Sequence[str | os.PathLike],
    cache_dir: str | os.PathLike | None = None,
    workers: int | None = None,
    progress: bool = True,
) -> MaskScan:
    """Returns the scan of masks, from the cache if they are those it was made from.

    The cache is a hidden file in the folder of the masks; or, where that cannot be written, in
    ``$MMCISS_CACHE`` or ``~/.cache/mmciss``. It holds a hash of all names, sizes and modification
    times (ns), and is made anew if that differs or the file is damaged.

    Args:
        paths: The masks.
        cache_dir: Where to keep the cache instead.
        workers: Number of processes of a scan; all cores by default.
        progress: Whether a scan shows a bar on a terminal.

    Raises:
        ConfigError: If masks are missing or unreadable.
    """
    files = [os.fspath(path) for path in paths]
    key = _content_key(files)
    if key is None:
        return scan_masks(files, workers, progress)  # A file is missing: the scan says which.
    places = _places(files, cache_dir)
    for place in places:
        scan = _read(place, key, len(files))
        if scan is not None:
            return scan
    scan = scan_masks(files, workers, progress)
    # Masks may have been replaced while they were read: such a scan is used, but not kept.
    if _content_key(files) == key:
        any(_write(place, key, scan) for place in places)
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
    """Returns the paths from their common folder: a data set may be moved with its cache."""
    start = len(_folder(files))
    return [file[start:].lstrip(os.sep) for file in files]


def _folder(files: Sequence[str]) -> str:
    return os.path.dirname(os.path.commonprefix([min(files), max(files)])) if files else ''


def _places(files: Sequence[str], cache_dir: str | os.PathLike | None) -> list[Path]:
    """Returns the files where the cache may be, best first."""
    folder = _folder(files) or '.'
    names = _digest(_relative(files))[:16]
    # Away from the masks, two data sets with the same file names must not share a file.
    away = _digest([os.path.realpath(folder), names])[:16]
    if cache_dir is not None:
        return [Path(cache_dir) / f'presence_{away}.npz']
    home = os.environ.get('MMCISS_CACHE') or Path('~/.cache/mmciss').expanduser()
    return [Path(folder) / f'.mmciss_presence_{names}.npz', Path(home) / f'presence_{away}.npz']


def _read(place: Path, key: str, num_images: int) -> MaskScan | None:
    """Returns the cached scan, or None if there is none, it is of other masks or damaged."""
    try:
        with np.load(place, allow_pickle=False) as stored:
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


def _write(place: Path, key: str, scan: MaskScan) -> bool:
    """Stores a scan, whole or not at all; returns whether it could."""
    temporary = None
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp('.tmp', f'{place.name}.', place.parent)
        with os.fdopen(handle, 'wb') as file:
            np.savez(file, key=np.array(key), **{field: getattr(scan, field) for field in _FIELDS})
        os.chmod(temporary, 0o644)
        os.replace(temporary, place)
    except OSError:
        if temporary is not None:
            with contextlib.suppress(OSError):
                os.unlink(temporary)
        return False
    return True
