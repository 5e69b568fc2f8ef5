"""Naming the file where a pipeline fails on a broken image or mask."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from mmengine.dataset import BaseDataset

from mmciss.datasets.data_check import PairFiles
from mmciss.datasets.loaders import readers_of
from mmciss.errors import ConfigError


class BrokenSampleError(ConfigError):
    """An image or mask that a step needs cannot be used; the message names the file."""

    def __str__(self) -> str:
        # Errors of data loaders' workers arrive as the text of their traceback, which ends with the message.
        return super().__str__().strip().rpartition(f'{type(self).__name__}: ')[2]


@contextmanager
def naming_broken_files(part: BaseDataset, position: int) -> Iterator[None]:
    """Looks at the files of a sample where its pipeline fails, and names those that are broken.

    Other errors, such as mistakes in a user's own transform, pass as they are.

    Args:
        part: The plain data set whose pipeline runs inside.
        position: The sample.

    Raises:
        BrokenSampleError: Naming the file, what is wrong with it, and how to go on.
    """
    try:
        yield
    except (ConfigError, MemoryError):
        raise
    except Exception as error:
        info = part.get_data_info(position)
        files = PairFiles(info.get('img_path'), info.get('seg_map_path'), *readers_of(part.pipeline))
        problems = files.problems() if files.image else []
        if not problems:
            raise
        raise BrokenSampleError(
            f'{"; ".join(problems)}. Put that right, then the same command with --resume continues '
            f'the run; with --check-data it looks for all such files first'
        ) from error
