"""Two processes on CPUs, through the scripts that users call."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from mmciss.engine.runner.run_folder import RunFolder
from tests.processes import free_port, start
from tests.smoke import SMOKE


def run(script: str, *arguments: str) -> str:
    """Runs a script and returns what it prints."""
    process = start(f'tools/{script}', *arguments, program='bash', PORT=str(free_port()))
    output, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors[-3000:]
    return output + errors


@pytest.mark.slow
def test_two_processes_learn_and_test_a_protocol(finished_run: Path, tmp_path: Path) -> None:
    folder = tmp_path / 'run'
    run('dist_train.sh', SMOKE, '2', '--work-dir', str(folder), '--cfg-options', 'train_dataloader.batch_size=2')
    for index in range(2):
        ours, alone = RunFolder(folder).result(index), RunFolder(finished_run).result(index)
        assert ours['num_images'] == alone['num_images']
        assert np.sum(ours['confusion']) == np.sum(alone['confusion']), 'every image is counted exactly once'
        assert np.sum(ours['confusion'], 1).tolist() == np.sum(alone['confusion'], 1).tolist()
    assert (folder / 'report.md').exists()
    assert 'mIoU' in run('dist_test.sh', SMOKE, str(folder), '2')


@pytest.mark.slow
def test_two_machines_train_one_run(tmp_path: Path) -> None:
    port, folder = str(free_port()), tmp_path / 'run'
    arguments = ['tools/dist_train.sh', SMOKE, '1', '--work-dir', str(folder), '--steps', '0']
    processes = [
        start(*arguments, program='bash', NNODES='2', NODE_RANK=rank, MASTER_ADDR='127.0.0.1', PORT=port)
        for rank in '01'
    ]
    for process in processes:
        _, errors = process.communicate(timeout=300)
        assert process.returncode == 0, errors[-3000:]
    assert RunFolder(folder).result(0)['num_images'] > 0
    assert json.loads((folder / 'run.json').read_text())['world_size'] == 2
