from __future__ import annotations

import pytest
import torch

from mmciss.errors import ConfigError
from mmciss.models.initializers import RandomInitializer
from mmciss.models.step_context import StepContext
from tests.models.initializers.samples import classifier_of, later_step


def test_draws_new_rows_only_within_torch_s_bound() -> None:
    step = later_step(2, background=False)
    classifier = classifier_of(step, embedding=16)
    rows = classifier.weight.detach().clone()
    with torch.no_grad():
        classifier.steps[1].weight.zero_()
    RandomInitializer()(classifier, StepContext(step))
    new = classifier.steps[1].weight
    assert torch.equal(classifier.weight[:3], rows[:3])
    assert 0 < new.abs().max() <= 0.25 and new.std() > 0.05  # uniform within 1 / sqrt(16)


def test_kaiming_s_normal_weights() -> None:
    torch.manual_seed(0)
    step = later_step(2, background=False)
    classifier = classifier_of(step, embedding=4096)
    RandomInitializer('kaiming_normal')(classifier, StepContext(step))
    assert float(classifier.steps[1].weight.std()) == pytest.approx((2 / 4096) ** 0.5, rel=0.05)
    with pytest.raises(ConfigError, match=r"method\.initializer\.weight.*'normal'"):
        RandomInitializer('normal')
