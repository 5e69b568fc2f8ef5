from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from torch import nn

from mmciss.errors import ConfigError
from mmciss.models.initializers import AuxiliaryInitializer, BackgroundInitializer, UnknownInitializer
from mmciss.models.step_context import StepContext
from mmciss.registry import INITIALIZERS
from tests.models.initializers.samples import classifier_of, later_step


@pytest.mark.parametrize('kind', [AuxiliaryInitializer, UnknownInitializer])
def test_new_classes_fire_as_the_auxiliary_channel_and_old_ones_as_before(kind: type) -> None:
    step = later_step(2)
    classifier = classifier_of(step, auxiliary=2)
    x = torch.randn(1, 6, 2, 2)
    before = classifier(x)[:, :4]
    auxiliary = classifier.auxiliary_logits(x)
    INITIALIZERS.build(dict(type=kind.__name__, channel=1))(classifier, StepContext(step))
    after = classifier(x)
    assert torch.equal(after[:, :4], before)
    assert torch.allclose(after[:, 4:], auxiliary[:, 1:].expand(-1, 2, -1, -1))
    assert torch.equal(classifier.auxiliary_logits(x), auxiliary)


def test_classifiers_of_auxiliary_heads_keep_their_rows() -> None:
    step = later_step(1)
    classifier = classifier_of(step)
    rows = classifier.weight.detach().clone()
    AuxiliaryInitializer()(classifier, StepContext(step))
    assert torch.equal(classifier.weight, rows)


def test_a_channel_that_does_not_exist() -> None:
    step = later_step(1)
    with pytest.raises(ConfigError, match=r'channel=1.*1 auxiliary'):
        AuxiliaryInitializer(channel=1)(classifier_of(step, auxiliary=1), StepContext(step))


def test_a_model_without_auxiliary_channels_is_refused() -> None:
    step = later_step(1)
    context = StepContext(step)
    layers = nn.ModuleDict({'a': classifier_of(step), 'b': classifier_of(step)})
    context.model = SimpleNamespace(segmentor=layers)
    with pytest.raises(ConfigError, match=r'method.classifier=dict\(auxiliary=1\)'):
        AuxiliaryInitializer().prepare(context)
    BackgroundInitializer().prepare(context)
    layers['c'] = classifier_of(step, auxiliary=1)
    AuxiliaryInitializer().prepare(context)
