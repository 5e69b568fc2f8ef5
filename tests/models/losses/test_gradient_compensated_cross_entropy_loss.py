"""Tests of the main loss of GSC."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from mmciss.functional import gradient_compensation
from mmciss.models.losses import GradientCompensatedCrossEntropyLoss
from tests.functional import closed_form as cf
from tests.models.losses import samples


@pytest.mark.parametrize('options', [{}, dict(power=False, activation='softmax')])
def test_is_weighted_cross_entropy(options: dict) -> None:
    z, y = cf.logits(), cf.labels()
    loss = GradientCompensatedCrossEntropyLoss(**options)
    loss.prepare(samples.later())
    weight = gradient_compensation(z, y, (0, 0, 0, 0, 1, 1), 4, **options)
    expected = F.cross_entropy(z, y, ignore_index=255, reduction='none') * weight
    torch.testing.assert_close(loss(z, y), expected.mean())


def test_is_cross_entropy_at_the_base_step() -> None:
    loss = GradientCompensatedCrossEntropyLoss()
    for step in (samples.base(), samples.domain()):
        loss.prepare(step)
        assert cf.near(loss(cf.logits(), cf.labels()), 2.909718)


def test_gradient_is_that_of_constant_weights() -> None:
    z = cf.logits().requires_grad_(True)
    loss = GradientCompensatedCrossEntropyLoss()
    loss.prepare(samples.later())
    (found,) = torch.autograd.grad(loss(z, cf.labels()), z)
    weight = gradient_compensation(z, cf.labels(), (0, 0, 0, 0, 1, 1), 4)
    per_pixel = F.cross_entropy(z, cf.labels(), ignore_index=255, reduction='none')
    (expected,) = torch.autograd.grad((per_pixel * weight).mean(), z)
    torch.testing.assert_close(found, expected)
