"""Decoding every image and mask once, before hours of training depend on them."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Iterable, Sequence
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
from PIL import Image, __version__ as pillow_version

from mmciss.datasets.image_files import IMAGES, MASKS, Reader, check_whole, image_size
from mmciss.datasets.image_sizes import check_pair, pairs_of
from mmciss.datasets.loaders import readers_of
from mmciss.datasets.wrapped import parts_of
from mmciss.errors import ConfigError
from mmciss.protocols.progress import Progress
from mmciss.protocols.scan import count_ids
from mmciss.utils.files import write_atomically
from mmciss.utils.pool import map_chunks
from mmciss.utils.stopping import ignore_interrupts

_VERSION = 'mmciss-data-check-1'
_CHUNK = 4


@dataclass(frozen=True)
class PairFiles:
    """An image, its mask, and how they are going to be decoded (None: by a loader of the user's own)."""

    image: str
    mask: str | None
    images: Reader | None = IMAGES
    masks: Reader | None = MASKS

    def problems(self) -> list[str]:
        """Decodes both files and returns what is wrong with them, one sentence a file."""
        found = []
        for path, reader, is_mask in ((self.image, self.images, False), (self.mask, self.masks, True)):
            if path is None:
                continue
            try:
                _decode(path, reader, is_mask)
            except ValueError as error:
                found.append(f'{path}: {error}')
        if not found and self.mask is not None:
            try:
                check_pair(self.image, self.mask, self.images, self.masks)
            except ConfigError as error:
                found.append(str(error))
        return found

    def key(self) -> str | None:
        """Returns a checksum of names, sizes, times and decoders, or None if a file is missing."""
        try:
            stats = [os.stat(path) for path in (self.image, self.mask)]
        except OSError:
            return None
        facts = [
            _VERSION,
            cv2.__version__,
            pillow_version,
            self.images,
            self.masks,
            *(
                (os.path.realpath(path), stat.st_size, stat.st_mtime_ns)
                for path, stat in zip((self.image, self.mask), stats)
            ),
        ]
        return hashlib.sha256(repr(facts).encode('utf-8', 'surrogateescape')).hexdigest()[:32]


@dataclass(frozen=True)
class DataCheck:
    """What a check found.

    Attributes:
        num_pairs: Pairs of image and mask that were checked.
        num_known: Those of them that an earlier check found whole.
        problems: A sentence for every file that cannot be used, beginning with its path.
        seconds: How long it took.
    """

    num_pairs: int
    num_known: int
    problems: tuple[str, ...]
    seconds: float

    def __str__(self) -> str:
        known = f', {self.num_known:,} of them in an earlier check' if self.num_known else ''
        text = f'{self.num_pairs:,} images with their masks were decoded ({self.seconds:.1f} s{known})'
        if not self.problems:
            return f'{text}; all are whole'
        return '\n'.join(
            [f'{text}; {len(self.problems):,} files cannot be used:', *(f'  {problem}' for problem in self.problems)]
        )


def check_data(
    datasets: Iterable[Any],
    cache_dir: str | os.PathLike | None = None,
    workers: int | None = None,
    progress: bool = True,
    start_method: str | None = None,
) -> DataCheck:
    """Decodes every image and mask of data sets, on all cores, and compares their sizes.

    What was found whole is not read again while names, sizes and times stay the same.

    Args:
        datasets: Plain or concatenated data sets.
        cache_dir: Where to keep what was found whole; ``$MMCISS_CACHE`` or ``~/.cache/mmciss`` by default.
        workers: Number of processes; all cores by default.
        progress: Whether to show a bar on a terminal.
        start_method: How processes start, see :func:`mmciss.utils.pool.map_chunks`.

    Raises:
        ConfigError: If a process dies while it decodes, as of a lack of memory.
    """
    start = time.perf_counter()
    pairs = list(dict.fromkeys(pair for dataset in datasets for pair in _pairs(dataset)))
    place = _cache_place(pairs, cache_dir)
    known = _read_known(place)
    keys = [pair.key() for pair in pairs]
    open_pairs = [(pair, key) for pair, key in zip(pairs, keys) if key not in known]
    problems: list[str] = []
    whole = {key for key in keys if key in known}
    with Progress('Decoding images and masks', len(open_pairs), progress) as bar:
        try:
            for chunk in map_chunks(_check_chunk, open_pairs, _CHUNK, workers, start_method, Image.preinit, _begin):
                for key, found in chunk:
                    problems += found
                    if not found and key is not None:
                        whole.add(key)
                bar.advance(len(chunk))
        except BrokenProcessPool as error:
            raise ConfigError(
                f'a process that decoded images died, after {bar.done} of {len(open_pairs)} pairs; memory '
                f'may be short. Begin there: {open_pairs[bar.done][0].image}'
            ) from error
        finally:
            if whole - known:
                _write_known(place, known | whole)
    # A file of several data sets is named once.
    return DataCheck(
        len(pairs), len(pairs) - len(open_pairs), tuple(dict.fromkeys(problems)), time.perf_counter() - start
    )


def _pairs(dataset: Any) -> list[PairFiles]:
    return [
        PairFiles(image, mask, *readers_of(part.pipeline))
        for part in parts_of(dataset)
        for image, mask in pairs_of(part)
    ]


def _begin() -> None:
    ignore_interrupts()
    cv2.setNumThreads(0)  # threads of the parent do not live on in a forked process, and every core has a process


def _check_chunk(chunk: Sequence[tuple[PairFiles, str | None]]) -> list[tuple[str | None, list[str]]]:
    return [(key, pair.problems()) for pair, key in chunk]


def _decode(path: str, reader: Reader | None, is_mask: bool) -> None:
    """Decodes a file as training will, and strictly; its head first, which tells what is too large to be decoded."""
    image_size(path, reader or IMAGES)
    if is_mask:
        count_ids(path)
    if reader is not None:
        pixels = reader.decode(path)
        if is_mask and pixels.squeeze().ndim > 2:
            raise ValueError(
                f'is decoded to {pixels.shape[2]} channels by imdecode_backend={reader.backend!r}; a mask '
                f"has one (the backend 'pillow' reads palettes as ids)"
            )
    check_whole(path)


def _cache_place(pairs: Sequence[PairFiles], cache_dir: str | os.PathLike | None) -> Path:
    folders = sorted({os.path.dirname(os.path.realpath(pair.image)) for pair in pairs})
    name = hashlib.sha256('\0'.join(folders).encode('utf-8', 'surrogateescape')).hexdigest()[:16]
    home = cache_dir or os.environ.get('MMCISS_CACHE') or Path('~/.cache/mmciss').expanduser()
    return Path(home) / f'data_check_{name}.txt'


def _read_known(place: Path) -> set[str | None]:
    try:
        return set(place.read_text(encoding='ascii').split())
    except (OSError, UnicodeDecodeError):
        return set()


def _write_known(place: Path, keys: set[str | None]) -> None:
    text = '\n'.join(sorted(key for key in keys if key))
    try:
        write_atomically(place, lambda temporary: temporary.write_text(text, encoding='ascii'))
    except OSError:
        return  # The next check reads the files again.
