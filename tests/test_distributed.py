"""Several processes learn what one process learns, and if one of them dies, the job ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.multiprocessing as mp
from mmengine.config import Config

import mmciss.register_all
from mmciss.apis.train import train
from mmciss.engine.runner.run_folder import RunFolder
from tests.processes import free_port, start, wait_until
from tests.smoke import SMOKE, smoke_config

FIXED = dict(norm='eval')
"""Batch norms use running statistics, since statistics of a part of the batch differ from those of the whole. (On GPUs,
SyncBN computes those of the whole.)"""


def config(folder: Path, world: int) -> Config:
    """Returns MiB + AWT with every statistic and a memory, at 4 images per iteration over all processes."""
    cfg = smoke_config(folder, 'awt', steps__base__lr=0.01, steps__later__lr=0.01)
    cfg.method['freeze'] = FIXED
    cfg.method['base'] = dict(freeze=FIXED)
    cfg.method.memory = dict(size=8, selection='class_balanced', mode='concat', labels='current')
    cfg.method.statistics.update(
        thresholds=dict(type='EntropyThresholds', minimum=0.001),
        prototypes=dict(type='ClassPrototypes', layer='backbone'),
    )
    cfg.train_dataloader.batch_size = 4 // world
    if world > 1:
        cfg.launcher = 'pytorch'
    return cfg


def on_rank(rank: int, world: int, port: int, folder: str) -> None:
    """One process of a distributed run."""
    os.environ.update(
        MASTER_ADDR='127.0.0.1', MASTER_PORT=str(port), RANK=str(rank), LOCAL_RANK=str(rank), WORLD_SIZE=str(world)
    )
    torch.set_num_threads(1)
    train(config(Path(folder), world))
    torch.distributed.destroy_process_group()


@pytest.fixture(scope='module')
def alone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp('alone') / 'run'
    train(config(folder, 1))
    return folder


def compare(found: Any, expected: Any, name: str) -> None:
    """Compares nested statistics, of which sums in another order differ in the last digits."""
    if isinstance(expected, dict):
        assert found.keys() == expected.keys(), name
        for key in expected:
            compare(found[key], expected[key], f'{name}.{key}')
    elif isinstance(expected, torch.Tensor) and expected.is_floating_point():
        torch.testing.assert_close(
            found, expected, rtol=1e-3, atol=1e-4, equal_nan=True, msg=lambda text: f'{name}: {text}'
        )


@pytest.mark.slow
@pytest.mark.parametrize('world', (2, 4))
def test_processes_give_the_report_of_one(world: int, alone: Path, tmp_path: Path) -> None:
    """Tolerances: 1e-4 of the largest weight, 1e-3 for statistics, one pixel in two hundred with another class."""
    folder = tmp_path / 'run'
    # Not forked: this process has threads, and a fork of it may hang.
    mp.start_processes(on_rank, (world, free_port(), str(folder)), nprocs=world, start_method='spawn')
    for index in range(2):
        one, many = (RunFolder(item).result(index) for item in (alone, folder))
        assert one is not None and many is not None and many['num_images'] == one['num_images']
        matrices = np.array(one['confusion']), np.array(many['confusion'])
        assert matrices[0].sum() == matrices[1].sum(), 'images counted twice, or not at all'
        assert (matrices[0].sum(1) == matrices[1].sum(1)).all()
        assert np.abs(matrices[0] - matrices[1]).sum() / 2 <= matrices[0].sum() / 200
        weights = [
            torch.load(item / f'step_{index}/model.pth', weights_only=True)['state_dict'] for item in (alone, folder)
        ]
        for name, value in weights[0].items():
            if value.is_floating_point():
                limit = 1e-4 * max(1.0, float(value.abs().max()))
                torch.testing.assert_close(weights[1][name], value, rtol=0, atol=limit)
    assert (alone / 'step_0/memory.json').read_text() == (folder / 'step_0/memory.json').read_text()
    statistics = [
        torch.load(item / 'step_1/statistics.pth', weights_only=True)['statistics'] for item in (folder, alone)
    ]
    compare(*statistics, 'statistics')


def ranks_of(process: subprocess.Popen) -> list[int]:
    """Returns the processes that a launcher has started."""
    path = Path(f'/proc/{process.pid}/task/{process.pid}/children')
    return [int(item) for item in path.read_text().split()] if path.exists() else []


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith('linux'), reason='looks for processes in /proc')
def test_a_rank_that_dies_ends_the_job(tmp_path: Path) -> None:
    folder = tmp_path / 'run'
    arguments = [SMOKE, '2', '--work-dir', str(folder), '--cfg-options', 'steps.base.iters=100000']
    process = start('tools/dist_train.sh', *arguments, program='bash', PORT=str(free_port()))
    try:
        wait_until((folder / 'step_0' / 'iter_2.pth').exists, process)
        os.kill(max(ranks_of(process)), signal.SIGKILL)
        _, errors = process.communicate(timeout=90)
        assert process.returncode not in (0, None)
        assert 'SIGKILL' in errors or 'exitcode' in errors
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
