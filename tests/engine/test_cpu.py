"""Mixed precision and processes on CPUs."""

from __future__ import annotations

import pytest
import torch
from torch import nn

import mmciss.register_all  # noqa: F401
from mmciss.engine.cpu import CpuAmpOptimWrapper, init_cpu_distributed
from mmciss.engine.incremental_runner import prepare_config
from mmciss.errors import ConfigError
from tests.engine.test_step_config import config


def test_forward_runs_in_bfloat16_and_weights_stay_float32() -> None:
    layer = nn.Linear(4, 4)
    wrapper = CpuAmpOptimWrapper(optimizer=torch.optim.SGD(layer.parameters(), lr=0.1), loss_scale='dynamic')
    with wrapper.optim_context(layer):
        out = layer(torch.ones(2, 4))
    assert out.dtype == torch.bfloat16
    before = layer.weight.clone()
    wrapper.update_params(out.float().sum())
    assert layer.weight.dtype == torch.float32 and not torch.equal(layer.weight, before)


@pytest.mark.skipif(torch.cuda.is_available(), reason='about machines without CUDA')
def test_configs_get_the_substitutes_of_this_machine() -> None:
    cfg = config(launcher='pytorch')
    cfg.optim_wrapper.type = 'AmpOptimWrapper'
    cfg.optim_wrapper.loss_scale = 'dynamic'
    out = prepare_config(cfg)
    assert out.optim_wrapper.type == 'CpuAmpOptimWrapper'
    assert out.model_wrapper_cfg.type == 'CpuDistributedDataParallel'
    assert cfg.optim_wrapper.type == 'AmpOptimWrapper', 'the user config is not changed'


def test_other_launchers_need_cuda() -> None:
    with pytest.raises(ConfigError, match="launcher: 'slurm' is not supported without CUDA"):
        init_cpu_distributed('slurm')
