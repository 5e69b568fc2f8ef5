from __future__ import annotations

import copy
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from mmengine.config import ConfigDict

from mmciss.errors import ConfigError
from mmciss.models.classifiers import GrowableConv2d, GrowableLinear
from mmciss.models.initializers import BackgroundInitializer
from mmciss.models.segmentors.incremental_segmentor import IncrementalSegmentor
from mmciss.models.step_context import StepContext, StepState
from mmciss.registry import INITIALIZERS
from tests.models.initializers.samples import classifier_of, later_step
from tests.models.tiny import LATER
from tests.models.tiny_heads import tiny_segmentor


@given(st.integers(1, 6), st.integers(0, 10_000))
@settings(max_examples=30, deadline=None)
def test_background_probability_is_divided_and_old_classes_keep_theirs(new: int, seed: int) -> None:
    torch.manual_seed(seed)
    step = later_step(new)
    classifier = classifier_of(step).double()
    x = torch.randn(2, 6, 3, 3, dtype=torch.float64)
    before = classifier(x)[:, : step.num_old].softmax(1)
    BackgroundInitializer()(classifier, StepContext(step))
    after = classifier(x).softmax(1)
    assert torch.allclose(after[:, 1 : step.num_old], before[:, 1:])
    assert torch.allclose(after[:, 0] + after[:, step.num_old :].sum(1), before[:, 0])
    assert torch.allclose(after[:, step.num_old :], before[:, :1] / (new + 1))


def test_golden_values() -> None:
    step = later_step(2)
    classifier = classifier_of(step)
    bias = classifier.bias[0].item()
    rows = classifier.weight.detach().clone()
    BackgroundInitializer()(classifier, StepContext(step))
    wanted = bias - math.log(3)
    assert classifier.bias[[0, 4, 5]].tolist() == pytest.approx([wanted] * 3)
    assert torch.equal(classifier.weight[:4], rows[:4])
    assert torch.equal(classifier.weight[4], rows[0]) and torch.equal(classifier.weight[5], rows[0])


def test_without_shift_the_bias_is_copied() -> None:
    step = later_step(2)
    classifier = classifier_of(step)
    bias = classifier.bias.detach().clone()
    BackgroundInitializer(bias_shift=False)(classifier, StepContext(step))
    assert torch.equal(classifier.bias[[0, 4, 5]], bias[[0, 0, 0]])
    assert torch.equal(classifier.bias[:4], bias[:4])


def test_biases_may_be_left_alone() -> None:
    step = later_step(2)
    classifier = classifier_of(step)
    bias = classifier.bias.detach().clone()
    BackgroundInitializer(bias=False)(classifier, StepContext(step))
    assert torch.equal(classifier.bias, bias)
    assert torch.equal(classifier.weight[4], classifier.weight[0])


def test_shift_accumulates_over_steps() -> None:
    from mmciss.protocols.step import Step

    first = later_step(1)
    classifier = classifier_of(first)
    start = classifier.bias[0].item()
    BackgroundInitializer()(classifier, StepContext(first))
    second = Step(2, new=(5, 6), old=(1, 2, 3, 4), sizes=(4, 1, 2), names=('background', *'abcdef'))
    grown = classifier_of(second)
    grown.steps[0].load_state_dict(classifier.steps[0].state_dict())
    BackgroundInitializer()(grown, StepContext(second))
    assert grown.bias[0].item() == pytest.approx(start - math.log(2) - math.log(3))


@pytest.mark.parametrize('layer', [GrowableConv2d(6, (4, 2), bias=False), GrowableLinear(6, (4, 2))])
def test_layers_without_bias_and_linear_layers(layer: torch.nn.Module) -> None:
    BackgroundInitializer()(layer, StepContext(later_step(2)))
    assert torch.equal(layer.weight[4], layer.weight[0])


def test_keeps_the_graph_free() -> None:
    step = later_step(1)
    classifier = classifier_of(step)
    BackgroundInitializer()(classifier, StepContext(step))
    assert all(p.is_leaf and p.requires_grad for p in classifier.parameters())
    copy.deepcopy(classifier)


def test_refuses_a_protocol_without_background() -> None:
    step = later_step(2, background=False)
    with pytest.raises(ConfigError, match='method.initializer.*background'):
        BackgroundInitializer()(classifier_of(step), StepContext(step))


def test_refuses_a_classifier_of_another_step() -> None:
    with pytest.raises(ConfigError, match=r'\(4, 1\).*\(4, 2\)'):
        BackgroundInitializer()(GrowableConv2d(6, (4, 1)), StepContext(later_step(2)))


def test_builds_from_a_config() -> None:
    built = INITIALIZERS.build(dict(type='BackgroundInitializer', bias_shift=False))
    assert isinstance(built, BackgroundInitializer) and not built.bias_shift


def test_new_tokens_are_copies_of_the_background_s() -> None:
    """Segmenter has a token for each class instead of a row."""
    torch.manual_seed(0)
    context = StepContext(LATER, previous=StepState('model.pth'))
    initializer = dict(type='BackgroundInitializer')
    config = ConfigDict(tiny_segmentor('SegmenterMaskTransformerHead', 5))
    model = IncrementalSegmentor(config, initializer=initializer, context=context)
    head = model.segmentor.decode_head
    before = head.cls_emb.detach().clone()
    model.initializer.begin(context)
    assert torch.equal(head.cls_emb[:, :3], before[:, :3]) and head.cls_emb.requires_grad
    assert torch.equal(head.cls_emb[:, 3:], before[:, :1].expand(1, 2, -1)) and not torch.equal(head.cls_emb, before)
