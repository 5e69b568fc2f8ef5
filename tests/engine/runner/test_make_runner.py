"""mmengine's runner, made of a plain config and of what is resolved already."""

from __future__ import annotations

import multiprocessing
import os
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from mmengine.logging import MessageHub, MMLogger
from mmengine.runner import Runner

import mmciss.register_all
from mmciss.engine.runner.experiment import Experiment
from mmciss.engine.runner.make_runner import StepRunner, close_runner, make_runner
from mmciss.errors import ConfigError
from tests.smoke import smoke_config
from tests.step_run import block_masks, step_run_config, untrained_base, write_pictures


def test_it_is_the_runner_of_the_plain_config(tmp_path: Path) -> None:
    """The same config in its logs and checkpoints, the same random weights, the same batches."""
    data = write_pictures(tmp_path / 'data', block_masks(0, 12))
    cfg = step_run_config(data, tmp_path / 'run', 'ssul_m', protocol__name='4-2')
    experiment = Experiment.from_cfg(cfg)
    step = experiment.step_config(1, untrained_base(cfg, tmp_path, exemplars=range(8)))
    found = []
    for build in (Runner.from_cfg, lambda config: make_runner(config, 'step 1', experiment.datasets)):
        runner = build(step)
        try:
            assert runner.cfg.to_dict() == step.to_dict()
            batch = next(iter(runner.train_dataloader))
            found.append((dict(runner.model.state_dict()), batch, runner.test_dataloader.dataset.metainfo))
            dataset = runner.train_dataloader.dataset.current
        finally:
            close_runner(runner)
    plain, ours = found
    assert all(torch.equal(plain[0][name], ours[0][name]) for name in plain[0]) and plain[0].keys() == ours[0].keys()
    assert all(map(torch.equal, plain[1]['inputs'], ours[1]['inputs'])) and plain[2] == ours[2]
    assert dataset.source is experiment.dataset(1, 'train').source
    assert dataset is not experiment.dataset(1, 'train'), "the loader's pipeline is its own"


def test_further_arguments_reach_the_model_alone(tmp_path: Path) -> None:
    data = write_pictures(tmp_path / 'data', block_masks(0, 12))
    experiment = Experiment.from_cfg(step_run_config(data, tmp_path / 'run', 'finetuning'))
    step = experiment.step_config(0, None)
    with pytest.raises(ConfigError, match='step 0 cannot be set up: .*nonsense'):
        make_runner(step, 'step 0', experiment.datasets, nonsense=object())
    runner = make_runner(step, 'step 0', experiment.datasets, decision=None)
    try:
        assert runner.cfg.to_dict() == step.to_dict()
    finally:
        close_runner(runner)


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


def test_a_model_of_which_nothing_learns_is_not_wrapped_for_several_processes() -> None:
    """The wrapper of torch refuses it."""
    model = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 1), torch.nn.SyncBatchNorm(4)).requires_grad_(False)
    found = StepRunner.wrap_model(SimpleNamespace(distributed=True), None, model)
    assert type(found) is torch.nn.Sequential and not isinstance(found[1], torch.nn.SyncBatchNorm)
