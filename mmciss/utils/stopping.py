"""Stopping a process cleanly on SIGTERM or Ctrl-C: no traceback, no broken files."""

from __future__ import annotations

import functools
import os
import signal
import sys
import threading
from types import FrameType, TracebackType


class Stopped(KeyboardInterrupt):
    """SIGTERM arrived; handled like Ctrl-C."""


def stop_on_sigterm() -> None:
    """Makes SIGTERM end this process like Ctrl-C, closing files and stopping data workers.

    Forked children (data workers) still end immediately and silently. A handler that is there already is left alone: in
    a job of a cluster, SIGTERM may only announce that the job will be put into the queue again.
    """
    if threading.current_thread() is not threading.main_thread() or callable(signal.getsignal(signal.SIGTERM)):
        return
    owner = os.getpid()

    def stop(number: int, frame: FrameType | None) -> None:
        if os.getpid() != owner:
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
            return
        raise Stopped

    signal.signal(signal.SIGTERM, stop)
    _tell_children()


@functools.cache
def _tell_children() -> None:
    """Registers what forked children do first; once, since it cannot be taken back."""
    os.register_at_fork(after_in_child=drop_broken_connections)


def drop_broken_connections() -> None:
    """Keeps a data worker from printing a traceback if its parent was stopped while receiving a batch.

    A :mod:`multiprocessing` thread in the worker sends tensors and would complain about the lost connection. The parent
    already says why it stopped.
    """
    previous = sys.excepthook

    def hook(kind: type[BaseException], error: BaseException, traceback: TracebackType | None) -> None:
        if not issubclass(kind, ConnectionError | EOFError):
            previous(kind, error, traceback)

    sys.excepthook = hook


def ignore_interrupts() -> None:
    """Leaves Ctrl-C, which reaches all processes of a terminal, to the parent; for processes in pools."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
