"""SIGTERM ends a process like Ctrl-C, and its children immediately."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from mmciss.utils.stopping import Stopped, drop_broken_connections, ignore_interrupts, stop_on_sigterm
from tests.paths import ROOT

PARENT = """
import os, sys, time
from mmciss.utils.stopping import stop_on_sigterm
stop_on_sigterm()
child = os.fork()
if not child:
    try:
        time.sleep(60)
    finally:
        print('child cleans up', flush=True)  # it must not: its parent does
print(child, flush=True)
try:
    time.sleep(60)
except KeyboardInterrupt as error:
    print(type(error).__name__, flush=True)
    os.kill(child, 15)
    print(os.WTERMSIG(os.waitpid(child, 0)[1]), flush=True)
"""


def test_a_process_stops_with_an_exception_and_its_children_silently(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, '-c', PARENT],
        stdout=subprocess.PIPE,
        text=True,
        cwd=tmp_path,
        env={**os.environ, 'PYTHONPATH': str(ROOT)},
    )
    assert process.stdout is not None
    assert int(process.stdout.readline())
    time.sleep(0.5)
    process.send_signal(signal.SIGTERM)
    out, _ = process.communicate(timeout=30)
    assert out.splitlines() == ['Stopped', str(int(signal.SIGTERM))]


def test_other_threads_leave_the_handlers_alone() -> None:
    before = signal.getsignal(signal.SIGTERM)
    thread = threading.Thread(target=stop_on_sigterm)
    thread.start()
    thread.join()
    assert signal.getsignal(signal.SIGTERM) is before


@pytest.fixture
def handlers() -> object:
    """Puts the handlers of this process back."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def test_the_exception_is_raised_where_the_process_is(handlers: object) -> None:
    stop_on_sigterm()
    with pytest.raises(Stopped):
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(1)
    assert issubclass(Stopped, KeyboardInterrupt), 'so whatever handles Ctrl-C handles it'


def test_children_in_pools_leave_interrupts_to_the_parent(handlers: object) -> None:
    ignore_interrupts()
    os.kill(os.getpid(), signal.SIGINT)
    time.sleep(0.05)
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


def test_children_are_silent_about_broken_connections_and_about_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    printed: list[type] = []
    monkeypatch.setattr(sys, 'excepthook', lambda kind, error, traceback: printed.append(kind))
    drop_broken_connections()
    for error in (ConnectionResetError(), BrokenPipeError(), EOFError(), ValueError()):
        sys.excepthook(type(error), error, None)
    assert printed == [ValueError]
