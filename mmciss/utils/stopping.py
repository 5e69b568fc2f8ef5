"""Ending a process on request: no traceback, no broken file."""

from __future__ import annotations

import os
import signal
import sys
import threading
from types import FrameType, TracebackType


class Stopped(KeyboardInterrupt):
    """SIGTERM arrived; handled wherever Ctrl-C is."""


def stop_on_sigterm() -> None:
    """Makes SIGTERM end this process as Ctrl-C does, with files closed and data workers stopped.

    Forked children (data workers) end at once and silently, as without this function.
    """
    global _children_are_told
    if threading.current_thread() is not threading.main_thread():
        return
    owner = os.getpid()

    def stop(number: int, frame: FrameType | None) -> None:
        if os.getpid() != owner:
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
            return
        raise Stopped

    signal.signal(signal.SIGTERM, stop)
    if not _children_are_told:
        os.register_at_fork(after_in_child=drop_broken_connections)
        _children_are_told = True


_children_are_told = False


def drop_broken_connections() -> None:
    """Keeps a data worker silent about a parent that was stopped while it took a batch.

    Tensors are handed over by a thread of :mod:`multiprocessing` in the worker, which prints a traceback when nobody
    is at the other end any more. What happened to the parent, the parent says.
    """
    previous = sys.excepthook

    def hook(kind: type[BaseException], error: BaseException, traceback: TracebackType | None) -> None:
        if not issubclass(kind, ConnectionError | EOFError):
            previous(kind, error, traceback)

    sys.excepthook = hook


def ignore_interrupts() -> None:
    """Leaves Ctrl-C, which reaches every process of a terminal, to the parent; for children in pools."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
