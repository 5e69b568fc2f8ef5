"""Mixing the weights of two steps."""

from __future__ import annotations

import logging
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from mmengine.hooks import EMAHook

import mmciss.register_all
from mmciss.engine.hooks.weight_fusion_hook import WeightFusionHook
from mmciss.errors import ConfigError
from mmciss.models.segmentors.incremental_segmentor import IncrementalSegmentor
from mmciss.protocols.step import Step
from mmciss.utils.files import save_tensors
from tests.models.tiny import BASE, LATER, segmentor_config


def base_model() -> IncrementalSegmentor:
    torch.manual_seed(0)
    model = IncrementalSegmentor(segmentor_config(3), BASE)
    model.init_weights()
    return model


def runner(model: IncrementalSegmentor, hooks: list | None = None) -> SimpleNamespace:
    return SimpleNamespace(model=model, hooks=hooks or [], logger=logging.getLogger('toy'))


@pytest.fixture
def model(tmp_path: Path) -> IncrementalSegmentor:
    """A student that is about to learn its second step."""
    save_tensors(tmp_path / 'model.pth', {'state_dict': base_model().plain_weights()})
    student = IncrementalSegmentor(
        segmentor_config(5),
        LATER,
        initializer=dict(type='BackgroundInitializer'),
        previous=dict(model=str(tmp_path / 'model.pth'), state=None),
    )
    student.init_weights()
    return student


def move(model: IncrementalSegmentor) -> None:
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += 1


@pytest.mark.parametrize(
    'options, alpha', [({}, 1 - (2 / 5) ** 0.5), (dict(power=1.0), 3 / 5), (dict(alpha=0.25), 0.25)]
)
@pytest.mark.parametrize('resumed', [False, True])
def test_ends_between_start_and_end_but_for_new_rows(
    model: IncrementalSegmentor, options: dict, alpha: float, resumed: bool
) -> None:
    hook = WeightFusionHook(**options)
    start = {name: tensor.clone() for name, tensor in model.segmentor.state_dict().items()}
    before = base_model().segmentor.state_dict()
    bias = 'decode_head.conv_seg.steps.0.bias'
    assert not torch.equal(start[bias], before[bias]), 'the initializer shifts it'
    start[bias] = before[bias]
    start['auxiliary_head.conv_seg.steps.0.bias'] = before['auxiliary_head.conv_seg.steps.0.bias']
    if resumed:
        hook.after_load_checkpoint(runner(model), {})
        move(model)  # what the checkpoint holds
    hook.before_train(runner(model))
    if not resumed:
        move(model)
    end = {name: tensor.clone() for name, tensor in model.segmentor.state_dict().items()}
    hook.after_train(runner(model))
    for name, tensor in model.segmentor.state_dict().items():
        expected = end[name]
        if '.steps.1.' not in name and tensor.is_floating_point():
            expected = alpha * start[name] + (1 - alpha) * end[name]
        torch.testing.assert_close(tensor, expected)


def test_a_step_without_new_classes_needs_a_weight_of_its_own() -> None:
    """The old model would weigh everything, and the step learn nothing."""
    step = Step(1, new=(), old=(1, 2), sizes=(3, 0), names=('background', 'cat', 'dog'))
    with pytest.raises(ConfigError, match='step 1 .*none of its 3 classes is new.*alpha below 1'):
        WeightFusionHook().check_step(step)
    WeightFusionHook(alpha=0.5).check_step(step)
    WeightFusionHook().check_step(BASE)
    WeightFusionHook().check_step(LATER)


def test_base_step_is_left_alone() -> None:
    model, hook = base_model(), WeightFusionHook()
    hook.before_train(runner(model))
    move(model)
    end = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    hook.after_train(runner(model))
    assert all(torch.equal(tensor, end[name]) for name, tensor in model.state_dict().items())


def test_wrong_options_are_refused() -> None:
    with pytest.raises(ConfigError, match=r'WeightFusionHook\.alpha.*1\.5'):
        WeightFusionHook(alpha=1.5)
    with pytest.raises(ConfigError, match=r'WeightFusionHook\.power.*-1'):
        WeightFusionHook(power=-1)
    with pytest.raises(ConfigError, match='EMAHook'):
        WeightFusionHook().before_train(runner(base_model(), [EMAHook()]))
