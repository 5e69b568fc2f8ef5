"""Ending a process on request: no traceback, no broken file."""
from __future__ import annotations

import os
import signal
import threading
from types import FrameType


class Stopped(KeyboardInterrupt):
    """SIGTERM arrived; handled wherever Ctrl-C is."""


def stop_on_sigterm() -> None:
    """Makes SIGTERM end this process as Ctrl-C does, with files closed and data workers stopped.

    Forked children (data workers) end at once and silently, as without this function.
    """
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


def ignore_interrupts() -> None:
    """Leaves Ctrl-C, which reaches every process of a terminal, to the parent; for children in pools."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
