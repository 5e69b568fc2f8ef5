"""The script that draws the shapes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.paths import ROOT


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Runs the script."""
    command = [sys.executable, str(ROOT / 'tools' / 'make_shapes.py'), *arguments]
    return subprocess.run(command, capture_output=True, text=True, env={'PYTHONPATH': str(ROOT)})


def test_it_draws_and_says_nothing_else(tmp_path: Path) -> None:
    done = run(str(tmp_path / 'shapes'), '--train', '3', '--val', '2', '--side', '32')
    lines = done.stdout.splitlines()
    assert done.returncode == 0 and lines[-1] == f'The shapes data set is in {tmp_path / "shapes"}', done.stderr
    assert len(lines) == 2 and 'Drawing the shapes data set' in lines[0] and not done.stderr
    assert len(list((tmp_path / 'shapes').rglob('*.png'))) >= 5


def test_a_wrong_number_is_named() -> None:
    done = run('--side', '-1')
    assert done.returncode == 2 and 'side' in done.stderr.splitlines()[-1]
