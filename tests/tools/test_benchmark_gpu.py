"""The script that runs everything on a GPU."""

from __future__ import annotations

import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from mmciss.utils.configs import method_names
from tests.paths import ROOT

SCRIPT = ROOT / 'tools' / 'benchmark_gpu.sh'


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Runs the script with this Python."""
    return subprocess.run(
        ['bash', str(SCRIPT), *arguments],
        capture_output=True,
        text=True,
        env={'PATH': '/usr/bin:/bin', 'PYTHON': sys.executable},
    )


def test_every_command_names_files_and_methods_that_exist(tmp_path: Path) -> None:
    done = run(str(tmp_path / 'new'), '--list')
    assert done.returncode == 0, done.stderr
    commands = [shlex.split(line) for line in done.stdout.splitlines()]
    assert len(commands) >= 8 and not (tmp_path / 'new').exists()
    for command in commands:
        assert command[0] == sys.executable
        for path in command:
            assert not path.endswith('.py') or (ROOT / path).is_file(), path
        if '--methods' in command:
            methods = command[command.index('--methods') + 1 :]
            methods = methods[: next((i for i, word in enumerate(methods) if word.startswith('--')), len(methods))]
            assert set(methods) <= set(method_names())


@pytest.mark.parametrize('arguments', [(), ('--smoke',), ('folder', '--all'), ('a', '--list', 'b')])
def test_wrong_arguments_show_the_usage(arguments: tuple[str, ...]) -> None:
    done = run(*arguments)
    assert done.returncode == 2 and 'usage: tools/benchmark_gpu.sh FOLDER' in done.stderr


def test_a_part_that_fails_is_shown_and_the_others_still_run(tmp_path: Path) -> None:
    python = tmp_path / 'python'
    python.write_text('#!/bin/sh\necho "ran $1 $2"\ncase "$*" in *losses*) echo no memory >&2; exit 1;; esac\n')
    python.chmod(0o755)
    done = subprocess.run(
        ['bash', str(SCRIPT), str(tmp_path / 'out')],
        capture_output=True,
        text=True,
        env={'PATH': '/usr/bin:/bin', 'PYTHON': str(python)},
    )
    assert done.returncode == 1 and done.stderr == 'failed: Losses\n'
    page = (tmp_path / 'out' / 'README.md').read_text()
    assert page.count('\nran ') == 8 and 'no memory' in page
    assert page.index('no memory') < page.index('## Photographs')


@pytest.mark.slow
def test_small_sizes_run_on_a_cpu(tmp_path: Path) -> None:
    done = run(str(tmp_path / 'out'), '--smoke')
    page = (tmp_path / 'out' / 'README.md').read_text()
    assert done.returncode == 0, page + done.stderr
    for title in ('Tests', 'Iterations', 'Faster iterations', 'Losses', 'Photographs'):
        assert f'## {title}\n' in page
    assert (tmp_path / 'out' / 'voc20' / 'merged_report').is_dir()
