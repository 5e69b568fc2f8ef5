"""Refusing what only looks like a file, before anybody opens it and waits for ever."""

from __future__ import annotations

import os
import stat

_KINDS = {
    stat.S_IFIFO: 'a FIFO',
    stat.S_IFSOCK: 'a socket',
    stat.S_IFCHR: 'a device',
    stat.S_IFBLK: 'a device',
    stat.S_IFDIR: 'a folder',
}


def check_regular(path: str | os.PathLike) -> None:
    """Refuses what is no regular file; links are followed. A FIFO that is opened waits for a writer.

    Raises:
        ValueError: Saying what it is.
    """
    try:
        mode = os.stat(path).st_mode
    except FileNotFoundError:
        raise ValueError('does not exist') from None
    except OSError as error:
        raise ValueError(f'cannot be read ({error.strerror})') from None
    if not stat.S_ISREG(mode):
        raise ValueError(f'is {_KINDS.get(stat.S_IFMT(mode), "no regular file")}, no image file')
