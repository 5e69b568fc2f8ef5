"""Two processes on CPUs, through the script that users call."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from mmciss.engine.run_folder import RunFolder
from tests.paths import ROOT


def free_port() -> int:
    """Returns a port that nobody listens on."""
    with socket.socket() as server:
        server.bind(('127.0.0.1', 0))
        return server.getsockname()[1]


@pytest.mark.slow
def test_two_processes_learn_and_test_a_protocol(finished_run: Path, tmp_path: Path) -> None:
    folder = tmp_path / 'run'
    environment = {**os.environ, 'PORT': str(free_port()), 'PYTHON': sys.executable, 'PYTHONPATH': str(ROOT)}
    done = subprocess.run(
        [
            'bash',
            'tools/dist_train.sh',
            'configs/shapes/shapes_smoke.py',
            '2',
            '--work-dir',
            str(folder),
            '--cfg-options',
            'train_dataloader.batch_size=2',
        ],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    for index in range(2):
        ours, alone = RunFolder(folder).result(index), RunFolder(finished_run).result(index)
        assert ours['num_images'] == alone['num_images']
        assert np.sum(ours['confusion']) == np.sum(alone['confusion']), 'every image is counted exactly once'
        assert np.sum(ours['confusion'], 1).tolist() == np.sum(alone['confusion'], 1).tolist()
    assert (folder / 'report.md').exists()
    environment['PORT'] = str(free_port())
    tested = subprocess.run(
        ['bash', 'tools/dist_test.sh', 'configs/shapes/shapes_smoke.py', str(folder), '2'],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert tested.returncode == 0, tested.stderr[-3000:]
    assert 'mIoU' in tested.stdout + tested.stderr
