"""NeST's hand-over."""

from __future__ import annotations

import math

import pytest
import torch

from mmciss.errors import ConfigError
from mmciss.models.initializers import BackgroundInitializer, PretunedInitializer
from mmciss.models.step_context import StepContext
from tests.models.initializers.samples import classifier_of, later_step

NAME = 'decode_head.conv_seg'
STEP = later_step(2)


def start(
    weight: torch.Tensor, bias: torch.Tensor, background: torch.Tensor, name: str = NAME, **options: str
) -> tuple:
    """Returns the rows ``(C, D)`` and biases before and after."""
    torch.manual_seed(0)
    classifier = classifier_of(STEP)
    before = classifier.weight.detach().flatten(1).clone(), classifier.bias.detach().clone()
    found = {NAME: dict(weight=weight, bias=bias, background=background)}
    PretunedInitializer(**options)(classifier, StepContext(STEP, statistics={'pretuned_rows': found}), name)
    return *before, classifier.weight.detach().flatten(1), classifier.bias.detach()


def learned() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    return torch.randn(2, 6, generator=generator) * 3, torch.tensor([0.4, -0.2]), torch.randn(6, generator=generator)


def test_norms() -> None:
    rows, biases, background = learned()
    weight, bias, after, after_bias = start(rows, biases, background)
    assert torch.equal(after[1:4], weight[1:4]) and torch.equal(after_bias[:4], bias[:4])
    torch.testing.assert_close(after[0].norm(), weight[0].norm())
    torch.testing.assert_close(after[0] / after[0].norm(), background / background.norm())
    torch.testing.assert_close(after[4:].norm(dim=1).mean(), weight[:4].norm(dim=1).mean())
    torch.testing.assert_close(after[4:] / rows, (after[4, 0] / rows[0, 0]).expand(2, 6))


@pytest.mark.parametrize(('scale', 'reduce'), [('mean', lambda b: b.abs().mean()), ('vector', torch.norm)])
def test_biases(scale: str, reduce: object) -> None:
    """With four old classes and two new ones the release's are sqrt(2) times as large, for equal values."""
    _, bias, _, after = start(*learned(), bias_scale=scale)
    torch.testing.assert_close(reduce(after[4:]), reduce(bias[:4]))
    torch.testing.assert_close(after[4] / after[5], torch.tensor(-2.0))


def test_a_copy_of_the_background_is_mib_but_for_the_norm() -> None:
    torch.manual_seed(0)
    classifier = classifier_of(STEP)
    with torch.no_grad():
        classifier.steps[0].bias.fill_(0.7)
        classifier.steps[0].bias[0] = 0.7 + math.log(3)  # MiB subtracts it
        rows = classifier.weight.flatten(1)[:4].clone()
    BackgroundInitializer()(classifier, StepContext(STEP))
    found = dict(weight=rows[:1].expand(2, 6), bias=torch.full((2,), 0.7), background=rows[0])
    expected = classifier.weight.detach().flatten(1), classifier.bias.detach()
    PretunedInitializer()(classifier, StepContext(STEP, statistics={'pretuned_rows': {NAME: found}}), NAME)
    weight, bias = classifier.weight.detach().flatten(1), classifier.bias.detach()
    factor = rows.norm(dim=1).mean() / rows[0].norm()
    torch.testing.assert_close(weight[4:], expected[0][4:] * factor)
    torch.testing.assert_close((weight[:4], bias), (expected[0][:4], expected[1]))


def test_an_auxiliary_head_starts_as_in_mib() -> None:
    weight, bias, after, after_bias = start(*learned(), name='auxiliary_head.conv_seg')
    assert torch.equal(after[4], weight[0]) and after_bias[4].item() == pytest.approx(bias[0].item() - math.log(3))


def test_refusals() -> None:
    with pytest.raises(ConfigError, match=r"method.initializer.bias_scale.*'norm'"):
        PretunedInitializer(bias_scale='norm')
    with pytest.raises(ConfigError, match="needs 'pretuned_rows'"):
        PretunedInitializer()(classifier_of(STEP), StepContext(STEP), NAME)
