"""mmengine's runner, made of a plain config and of what is resolved already."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from mmengine.runner import Runner

import mmciss.register_all  # noqa: F401
from mmciss.engine.close import close_runner
from mmciss.engine.experiment import Experiment
from mmciss.engine.make_runner import make_runner
from mmciss.errors import ConfigError
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
