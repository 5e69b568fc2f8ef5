"""Learning rates and weight decays of the methods that train parts of the model differently."""

from __future__ import annotations

from typing import Any

import pytest
from mmengine.optim import build_optim_wrapper
from mmengine.registry import DefaultScope
from mmseg.registry import MODELS

import mmciss.register_all
from mmciss.engine.runner.schedule import StepPlan
from mmciss.engine.runner.step_config import make_step_config
from mmciss.models.step_context import StepState
from mmciss.protocols.step import Step
from mmciss.utils.configs import load_config, load_method
from tests.paths import ROOT

NAMES = ('background', 'a', 'b', 'c')
LATER = Step(1, new=(3,), old=(1, 2), sizes=(3, 1), names=NAMES)


def groups(method: str, **slots: Any) -> dict[str, tuple[float, float]]:
    """Returns (learning rate, weight decay) of every trained parameter, for a rate of 1."""
    cfg = load_config(ROOT / 'configs/shapes/shapes_smoke.py')
    cfg.method = load_method(method).method
    cfg.method.update(slots)
    cfg.work_dir = 'unused'
    out = make_step_config(cfg, LATER, StepPlan(3, lr=1.0, global_batch=4), StepState('model.pth'))
    out.model.previous = None  # nothing is loaded
    with DefaultScope.overwrite_default_scope('mmseg'):
        model = MODELS.build(out.model)
        optimizer = build_optim_wrapper(model, out.optim_wrapper).optimizer
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    return {
        names[id(parameter)].removeprefix('segmentor.'): (group['lr'], group['weight_decay'])
        for group in optimizer.param_groups
        for parameter in group['params']
        if parameter.requires_grad
    }


@pytest.mark.parametrize('method', ['dkd', 'dkd_m'])
def test_dkd(method: str) -> None:
    found = groups(method)
    assert not [name for name in found if '.bn' in name], 'batch norms are frozen'
    for name, (rate, decay) in found.items():
        newest = 'conv_seg.steps.1.' in name
        assert rate == (0.1 if name.startswith('backbone.') else 1.0), name
        assert decay == (1e-4 if newest else 0.0), name
    assert 'decode_head.conv_seg.steps.1.weight' in found
    assert 'decode_head.conv_seg.auxiliary.weight' in found and 'backbone.stem.0.weight' in found


@pytest.mark.parametrize('method', ['ssul', 'ssul_m'])
def test_ssul_trains_the_newest_and_unknown_heads_and_barely_the_background(method: str) -> None:
    expected = {
        f'decode_head.conv_seg.{part}.{leaf}': (rate, 1e-4)
        for part, rate in (('steps.1', 10.0), ('auxiliary', 10.0), ('background', 1e-3))
        for leaf in ('weight', 'bias', 'conv.weight')
    }
    assert groups(method) == {name: (pytest.approx(rate), decay) for name, (rate, decay) in expected.items()}


def test_ssul_without_its_own_heads_trains_the_newest_and_unknown_rows_alone() -> None:
    names = [f'decode_head.conv_seg.{part}.{leaf}' for part in ('steps.1', 'auxiliary') for leaf in ('weight', 'bias')]
    assert groups('ssul', structure=None) == dict.fromkeys(names, (10.0, 1e-4))
