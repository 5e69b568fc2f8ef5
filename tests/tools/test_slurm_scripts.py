"""What the scripts for Slurm hand to srun."""

from __future__ import annotations

import os
import shlex
import subprocess
from pathlib import Path

import pytest

from tests.paths import ROOT


@pytest.mark.parametrize(
    ('script', 'arguments', 'tool'),
    [
        ('slurm_train.sh', ('c.py', '--seed', '1'), 'train.py'),
        ('slurm_test.sh', ('c.py', 'run', '--step', '1'), 'test.py'),
    ],
)
def test_all_gpus_of_all_nodes_are_asked_for(
    script: str, arguments: tuple[str, ...], tool: str, tmp_path: Path
) -> None:
    srun = tmp_path / 'srun'
    srun.write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
    srun.chmod(0o755)
    path = f'{tmp_path}:{os.environ["PATH"]}'
    wanted = {
        'GPUS': '16',
        'GPUS_PER_NODE': '8',
        'SRUN_ARGS': '--time=24:00:00 --qos=long',
        'PYTHON': 'python',
        'PATH': path,
    }
    command = ['bash', str(ROOT / 'tools' / script), 'gpu', 'name', *arguments]
    done = subprocess.run(command, env={**os.environ, **wanted}, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    given = done.stdout.splitlines()
    for argument in shlex.split(
        '--job-name=name --gres=gpu:8 --ntasks=16 --ntasks-per-node=8 --time=24:00:00 --qos=long'
    ):
        assert argument in given
    assert given[:2] == ['-p', 'gpu']
    assert given[given.index('python') + 1 :] == [
        '-u',
        str(ROOT / 'tools' / tool),
        *arguments[: 1 if tool == 'train.py' else 2],
        '--launcher',
        'slurm',
        *arguments[1 if tool == 'train.py' else 2 :],
    ]


@pytest.mark.parametrize('script', ['slurm_train.sh', 'slurm_test.sh'])
def test_too_few_arguments_print_the_usage(script: str) -> None:
    done = subprocess.run(['bash', str(ROOT / 'tools' / script), 'gpu'], capture_output=True, text=True)
    assert done.returncode == 2 and 'usage:' in done.stderr
