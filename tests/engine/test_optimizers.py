"""Optimizer wrappers and constructors that MMSegmentation lacks."""

from __future__ import annotations

import torch
from mmengine.optim import DefaultOptimWrapperConstructor
from mmseg.registry import OPTIM_WRAPPER_CONSTRUCTORS
from torch import nn

import mmciss.register_all
from mmciss.engine.optimizers import CpuAmpOptimWrapper, SegmentorOptimWrapperConstructor

SEEN: list[list[str]] = []


@OPTIM_WRAPPER_CONSTRUCTORS.register_module()
class NameReadingConstructor(DefaultOptimWrapperConstructor):
    """Records the names that it sees."""

    def __call__(self, model: nn.Module) -> object:
        SEEN.append([name for name, _ in model.named_parameters()])
        return super().__call__(model)


def test_the_inner_constructor_sees_names_without_prefix() -> None:
    model = nn.Module()
    model.segmentor = nn.Sequential()
    model.segmentor.add_module('backbone', nn.Linear(2, 2))
    constructor = SegmentorOptimWrapperConstructor(
        dict(type='OptimWrapper', optimizer=dict(type='SGD', lr=0.1), inner_constructor='NameReadingConstructor')
    )
    wrapper = constructor(model)
    assert SEEN[-1] == ['backbone.weight', 'backbone.bias']
    assert isinstance(wrapper.optimizer, torch.optim.SGD)


def test_forward_runs_in_bfloat16_and_weights_stay_float32() -> None:
    layer = nn.Linear(4, 4)
    wrapper = CpuAmpOptimWrapper(optimizer=torch.optim.SGD(layer.parameters(), lr=0.1), loss_scale='dynamic')
    with wrapper.optim_context(layer):
        out = layer(torch.ones(2, 4))
    assert out.dtype == torch.bfloat16
    before = layer.weight.clone()
    wrapper.update_params(out.float().sum())
    assert layer.weight.dtype == torch.float32 and not torch.equal(layer.weight, before)


def test_depthwise_convolutions_stay_in_float32_and_others_do_not() -> None:
    depthwise, dense = nn.Conv2d(4, 8, 3, groups=4), nn.Conv2d(4, 8, 3)
    wrapper = CpuAmpOptimWrapper(optimizer=torch.optim.SGD(depthwise.parameters(), lr=0.1))
    inputs = torch.randn(1, 4, 5, 5)
    exact = depthwise(inputs)
    with wrapper.optim_context(depthwise):
        assert torch.equal(depthwise(inputs), exact)
        assert dense(inputs).dtype == torch.bfloat16
    with torch.autocast('cpu', dtype=torch.bfloat16):
        assert depthwise(inputs).dtype == torch.bfloat16
