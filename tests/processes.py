"""Runs in their own processes, which can be stopped or killed."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from tests.paths import ROOT
from tests.smoke import SMOKE


def free_port() -> int:
    """Returns a port that nobody listens on."""
    with socket.socket() as server:
        server.bind(('127.0.0.1', 0))
        return server.getsockname()[1]


def environment(**variables: str) -> dict[str, str]:
    """Returns the environment of a process that runs this checkout, with further variables."""
    return {**os.environ, 'PYTHON': sys.executable, 'PYTHONPATH': str(ROOT), 'OMP_NUM_THREADS': '1', **variables}


def training_command(work_dir: Path, *arguments: str) -> list[str]:
    """Returns ``tools/train.py`` with the smoke config and further arguments."""
    return [str(ROOT / 'tools' / 'train.py'), str(ROOT / SMOKE), '--work-dir', str(work_dir), *arguments]


def start(*arguments: str, program: str = sys.executable, **variables: str) -> subprocess.Popen:
    """Starts a program, Python unless told otherwise, in its own process group."""
    # A shell's background jobs ignore Ctrl-C, and so would what they start; in a terminal it arrives.
    return subprocess.Popen(
        [program, *arguments],
        env=environment(**variables),
        cwd=ROOT,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
        preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),
    )


def wait_until(condition: Callable[[], bool], process: subprocess.Popen, seconds: float = 240) -> None:
    """Waits until a condition holds or a process has ended."""
    deadline = time.monotonic() + seconds
    while not condition() and process.poll() is None:
        assert time.monotonic() < deadline, 'the moment never came'
        time.sleep(0.005)
