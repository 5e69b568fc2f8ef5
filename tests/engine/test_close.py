"""Closing a runner."""

from __future__ import annotations

import multiprocessing
import os
from pathlib import Path

from mmengine.logging import MessageHub, MMLogger
from mmengine.runner import Runner

import mmciss.register_all
from mmciss.engine.close import close_runner
from mmciss.engine.experiment import Experiment
from tests.smoke import smoke_config


def open_files() -> int:
    """Returns how many files this process holds open."""
    return len(os.listdir('/proc/self/fd'))


def test_closing_a_runner_leaves_no_worker_file_or_name(tmp_path: Path) -> None:
    cfg = smoke_config(
        tmp_path, train_dataloader__num_workers=1, train_dataloader__persistent_workers=True, steps__base__iters=2
    )
    step = Experiment.from_cfg(cfg).step_config(0, None)
    counts = []
    for _ in range(3):
        runner = Runner.from_cfg(step)
        runner.train()
        assert multiprocessing.active_children()
        close_runner(runner)
        assert not multiprocessing.active_children()
        assert runner.experiment_name not in MMLogger._instance_dict
        assert runner.experiment_name not in MessageHub._instance_dict
        counts.append(open_files())
    assert counts[2] <= counts[1], 'no file stays open from one runner to the next'
