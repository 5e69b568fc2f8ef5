"""Reading every mask of a data set once, to count its pixels by id, and caching the counts."""

from __future__ import annotations

import hashlib
import os
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from mmciss.errors import ConfigError, first_line
from mmciss.utils.files import cache_folder, check_regular, write_atomically
from mmciss.utils.pool import Progress, map_chunks

_CHUNK = 64
_SHOWN_ERRORS = 5
_VERSION = 'mmciss-presence-1'
_FIELDS = ('indptr', 'ids', 'counts')

LOSSY = ('JPEG', 'MPO')
"""Lossy formats: along borders, compression invents ids that no class has."""


@dataclass(frozen=True, eq=False)
class MaskScan:
    """Pixel counts by id for every mask, in compressed sparse rows.

    Mask i has ``counts[j]`` pixels of the id ``ids[j]`` for ``indptr[i] <= j < indptr[i + 1]``.

    Attributes:
        indptr: (N + 1,) int64.
        ids: (E,) uint8 ids as stored in the files.
        counts: (E,) int64, positive.
    """

    indptr: np.ndarray
    ids: np.ndarray
    counts: np.ndarray

    @property
    def num_images(self) -> int:
        """Number of masks."""
        return len(self.indptr) - 1

    @property
    def images(self) -> np.ndarray:
        """(E,) index of the mask that each entry belongs to."""
        return np.repeat(np.arange(self.num_images), np.diff(self.indptr))

    def dense(self) -> np.ndarray:
        """Returns the counts as (N, 256) int64."""
        table = np.zeros((self.num_images, 256), dtype=np.int64)
        table[self.images, self.ids] = self.counts
        return table

    def masks_with(self, raw_id: int) -> np.ndarray:
        """Returns the indices of the masks that contain an id."""
        return self.images[self.ids == raw_id]

    @classmethod
    def from_dense(cls, table: np.ndarray) -> MaskScan:
        """Builds the scan from counts (N, 256)."""
        images, ids = np.nonzero(table)
        indptr = np.searchsorted(images, np.arange(len(table) + 1))
        counts = table[images, ids].astype(np.int64)
        return cls(indptr.astype(np.int64), ids.astype(np.uint8), counts)


def count_ids(path: str) -> np.ndarray:
    """Returns how many pixels of a mask have each id, (256,) int64.

    Raises:
        ValueError: If the file cannot be read as a mask with ids 0 to 255, saying why.
    """
    check_regular(path)
    try:
        with Image.open(path) as mask:
            if mask.format in LOSSY:
                raise ValueError(f'is a {mask.format}, a lossy format that changes class ids; save masks as PNG')
            if mask.mode in ('L', 'P'):
                return np.asarray(mask.histogram(), dtype=np.int64)
            if mask.mode not in ('1', 'I', 'I;16', 'I;16B', 'I;16L'):
                raise ValueError(f'has colour mode {mask.mode}; a mask has one channel of class ids')
            values = np.asarray(mask).astype(np.int64).ravel()
    except ValueError:
        raise
    except Exception as error:  # decoders fail on damaged files in many ways
        raise ValueError(f'cannot be read ({first_line(error)})') from None
    if values.size and not 0 <= values.min() <= values.max() <= 255:
        raise ValueError(f'holds ids {values.min()} to {values.max()}; allowed are 0 to 255')
    return np.bincount(values, minlength=256)


def scan_masks(
    paths: Sequence[str | os.PathLike[str]],
    workers: int | None = None,
    progress: bool = True,
    start_method: str | None = None,
) -> MaskScan:
    """Counts the ids in every mask, on all cores.

    Args:
        paths: The masks.
        workers: Number of processes; all cores by default. A few masks are read without starting any.
        progress: Whether to show a progress bar.
        start_method: How processes start, see :func:`mmciss.utils.pool.map_chunks`.

    Raises:
        ConfigError: If masks are missing or unreadable, naming the first few.
    """
    files = [os.fspath(path) for path in paths]
    parts: list[MaskScan] = []
    failures: list[str] = []
    with Progress('Reading masks', len(files), progress) as bar:
        for part, failed in map_chunks(_scan_chunk, files, _CHUNK, workers, start_method, Image.preinit):
            parts.append(part)
            failures += failed
            bar.advance(part.num_images)
    if failures:
        shown = failures[:_SHOWN_ERRORS]
        if len(failures) > len(shown):
            shown.append(f'and {len(failures) - len(shown)} more')
        raise ConfigError(f'{len(failures)} of {len(files)} masks cannot be used: {"; ".join(shown)}')
    return _concatenate(parts)


def _scan_chunk(files: list[str]) -> tuple[MaskScan, list[str]]:
    table = np.zeros((len(files), 256), dtype=np.int64)
    failures: list[str] = []
    for row, path in zip(table, files, strict=True):
        try:
            row[:] = count_ids(path)
        except ValueError as error:
            failures.append(f'{path} {error}')
    return MaskScan.from_dense(table), failures


def _concatenate(parts: Sequence[MaskScan]) -> MaskScan:
    lengths = np.concatenate([np.zeros(1, np.int64), *(np.diff(part.indptr) for part in parts)])
    return MaskScan(
        np.cumsum(lengths),
        np.concatenate([np.zeros(0, np.uint8), *(part.ids for part in parts)]),
        np.concatenate([np.zeros(0, np.int64), *(part.counts for part in parts)]),
    )


def load_or_scan(
    paths: Sequence[str | os.PathLike[str]],
    cache_dir: str | os.PathLike[str] | None = None,
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
    common = os.path.commonprefix([min(files), max(files)]) if files else ''  # noqa: RUF071 - dirname cuts it
    return os.path.dirname(common)


def _cache_files(files: Sequence[str], cache_dir: str | os.PathLike[str] | None) -> list[Path]:
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
