"""Decoding every image and mask once, before training starts (``--check-data``)."""

from __future__ import annotations

import copy
import hashlib
import os
import time
from collections.abc import Iterable, Sequence
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmseg.registry import DATASETS
from PIL import Image

from mmciss.datasets.expected_layout import check_layout
from mmciss.datasets.image_pairs import ImagePair, pairs_of
from mmciss.errors import ConfigError
from mmciss.utils.blame import blaming
from mmciss.utils.configs import dataset_configs
from mmciss.utils.files import cache_folder, write_atomically
from mmciss.utils.pool import Progress, map_chunks
from mmciss.utils.stopping import ignore_interrupts

_CHUNK = 4


@dataclass(frozen=True)
class DataCheck:
    """The result of a check.

    Attributes:
        num_pairs: Number of images checked with their masks.
        num_known: How many of them an earlier check found intact.
        problems: One sentence per unusable file, beginning with its path.
        seconds: How long it took.
    """

    num_pairs: int
    num_known: int
    problems: tuple[str, ...]
    seconds: float

    def __str__(self) -> str:
        known = f', {self.num_known:,} of them in an earlier check' if self.num_known else ''
        text = f'{self.num_pairs:,} images were decoded with their masks ({self.seconds:.1f} s{known})'
        if not self.problems:
            return f'{text}; all are intact'
        return '\n'.join(
            [f'{text}; {len(self.problems):,} files cannot be used:', *(f'  {problem}' for problem in self.problems)]
        )


def require_intact_data(cfg: Config) -> DataCheck:
    """Checks the data of a config and refuses broken files.

    Raises:
        ConfigError: Naming every broken file.
    """
    found = check_config_data(cfg)
    if found.problems:
        raise ConfigError(f'check_data: {found}')
    return found


def check_config_data(cfg: Config, **options: Any) -> DataCheck:
    """Decodes every image and mask of a config's training, validation and test data.

    Args:
        cfg: The user's config.
        **options: As for :func:`check_data`.

    Raises:
        ConfigError: If a data set cannot be built.
    """
    init_default_scope(cfg.get('default_scope') or 'mmseg')
    datasets = []
    for split, config in dataset_configs(cfg).items():
        check_layout(config)
        with blaming(f'{split}_dataloader.dataset'):
            datasets.append(DATASETS.build(copy.deepcopy(config)))
    return check_data(datasets, **options)


def check_data(
    datasets: Iterable[Any],
    cache_dir: str | os.PathLike[str] | None = None,
    workers: int | None = None,
    progress: bool = True,
    start_method: str | None = None,
) -> DataCheck:
    """Decodes every image and mask of data sets, on all cores, and compares their sizes.

    Intact files are not read again as long as their names, sizes and times stay the same.

    Args:
        datasets: Plain or concatenated data sets.
        cache_dir: Where to remember intact files; ``$MMCISS_CACHE`` or ``~/.cache/mmciss`` by default.
        workers: Number of processes; all cores by default.
        progress: Whether to show a progress bar.
        start_method: How processes start, see :func:`mmciss.utils.pool.map_chunks`.

    Raises:
        ConfigError: If a process dies while decoding, for example for lack of memory.
    """
    start = time.perf_counter()
    pairs = list(dict.fromkeys(pair for dataset in datasets for pair in pairs_of(dataset)))
    cache = _cache_file(pairs, cache_dir)
    known = _read_known(cache)
    keys = [pair.key() for pair in pairs]
    unchecked = [(pair, key) for pair, key in zip(pairs, keys, strict=True) if key not in known]
    problems: list[str] = []
    intact = {key for key in keys if key in known}
    with Progress('Decoding images and masks', len(unchecked), progress) as bar:
        try:
            for chunk in map_chunks(_check_chunk, unchecked, _CHUNK, workers, start_method, Image.preinit, _begin):
                for key, found in chunk:
                    problems += found
                    if not found and key is not None:
                        intact.add(key)
                bar.advance(len(chunk))
        except BrokenProcessPool as error:
            raise ConfigError(
                f'a process died while decoding images, after {bar.done} of {len(unchecked)} pairs, perhaps for lack '
                f'of memory. Start looking at {unchecked[bar.done][0].image}'
            ) from error
        finally:
            if intact - known:
                _write_known(cache, known | intact)
    distinct = tuple(dict.fromkeys(problems))  # a file of several data sets is named once
    return DataCheck(len(pairs), len(pairs) - len(unchecked), distinct, time.perf_counter() - start)


def _begin() -> None:
    ignore_interrupts()
    cv2.setNumThreads(0)  # the parent's threads do not survive a fork, and every core already has a process


def _check_chunk(chunk: Sequence[tuple[ImagePair, str | None]]) -> list[tuple[str | None, list[str]]]:
    return [(key, pair.problems()) for pair, key in chunk]


def _cache_file(pairs: Sequence[ImagePair], cache_dir: str | os.PathLike[str] | None) -> Path:
    folders = sorted({os.path.dirname(os.path.realpath(pair.image)) for pair in pairs})
    name = hashlib.sha256('\0'.join(folders).encode('utf-8', 'surrogateescape')).hexdigest()[:16]
    return Path(cache_dir or cache_folder()) / f'data_check_{name}.txt'


def _read_known(cache: Path) -> set[str | None]:
    try:
        return set(cache.read_text(encoding='ascii').split())
    except (OSError, UnicodeDecodeError):
        return set()


def _write_known(cache: Path, keys: set[str | None]) -> None:
    text = '\n'.join(sorted(key for key in keys if key))
    try:
        write_atomically(cache, lambda temporary: temporary.write_text(text, encoding='ascii'))
    except OSError:
        return  # the next check reads the files again
