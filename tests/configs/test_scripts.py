"""The shell scripts that start several processes."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.paths import ROOT

SCRIPTS = ('dist_train.sh', 'dist_test.sh', 'slurm_train.sh', 'slurm_test.sh')


def run(script: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess:
    """Runs a script with ``echo`` in place of Python, so that it prints the command."""
    environment = {**os.environ, 'PYTHON': 'echo', **environment}
    return subprocess.run(
        ['bash', str(ROOT / 'tools' / script), *arguments], capture_output=True, text=True, env=environment, timeout=30
    )


@pytest.mark.parametrize('script', SCRIPTS)
def test_without_arguments_the_usage_is_printed(script: str) -> None:
    result = run(script)
    assert result.returncode == 2
    assert f'tools/{script}' in result.stderr
    assert os.access(ROOT / 'tools' / script, os.X_OK)


def test_dist_train_passes_config_processes_and_further_arguments() -> None:
    words = run('dist_train.sh', 'a config.py', '2', '--resume', '--cfg-options', 'x=1 2', PORT='29777').stdout
    for word in ('-m torch.distributed.run', '--nproc_per_node=2', '--master_port=29777'):
        assert word in words
    assert words.strip().endswith('tools/train.py a config.py --launcher pytorch --resume --cfg-options x=1 2')


def test_dist_test_passes_the_checkpoint() -> None:
    words = run('dist_test.sh', 'c.py', 'run', '4', '--step', '1').stdout
    assert '--nproc_per_node=4' in words
    assert words.strip().endswith('tools/test.py c.py run --launcher pytorch --step 1')


@pytest.mark.parametrize(
    ('script', 'arguments', 'end'),
    [
        ('slurm_train.sh', ('part', 'job', 'c.py', '--amp'), 'tools/train.py c.py --launcher slurm --amp'),
        (
            'slurm_test.sh',
            ('part', 'job', 'c.py', 'run', '--step', '0'),
            'tools/test.py c.py run --launcher slurm --step 0',
        ),
    ],
)
def test_slurm_scripts_ask_for_what_the_environment_says(
    tmp_path: Path, script: str, arguments: tuple[str, ...], end: str
) -> None:
    srun = tmp_path / 'srun'
    srun.write_text('#!/bin/sh\necho srun "$@"\n')
    srun.chmod(0o755)
    words = run(
        script, *arguments, PATH=f'{tmp_path}:{os.environ["PATH"]}', GPUS='2', SRUN_ARGS='--qos=a --mem=1'
    ).stdout
    assert words.startswith('srun -p part --job-name=job')
    assert '--ntasks=2' in words and '--gres=gpu:2' in words and '--qos=a --mem=1' in words
    assert words.strip().endswith(end)
