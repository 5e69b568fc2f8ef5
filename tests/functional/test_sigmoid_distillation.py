"""Tests of the sigmoid distillation."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from mmciss.functional import sigmoid_distillation
from tests.functional import closed_form as cf


def test_golden_value_of_lwf_mc() -> None:
    assert cf.near(10 * sigmoid_distillation(cf.logits(), cf.teacher_logits()), 46.433292)


def test_golden_value_of_dkd() -> None:
    z, zo = cf.wave((2, 6, 8, 8), 0.31, 0.2), cf.wave((2, 4, 8, 8), 0.47, 0.9)
    assert cf.near(sigmoid_distillation(z[:, 1:], zo[:, 1:]), 3.434502)


def test_equals_the_equation() -> None:
    z, zo = cf.logits().double(), cf.teacher_logits().double()
    expected = 4 * F.binary_cross_entropy_with_logits(z[:, :4], zo.sigmoid())
    torch.testing.assert_close(sigmoid_distillation(z, zo), expected)


def test_channels_may_be_permuted_together() -> None:
    z, zo = cf.logits(), cf.teacher_logits()
    torch.testing.assert_close(
        sigmoid_distillation(z[:, [3, 2, 0, 1]], zo[:, [3, 2, 0, 1]]), sigmoid_distillation(z, zo)
    )


def test_gradient() -> None:
    assert cf.check_gradient(sigmoid_distillation, cf.logits()[:1, :, :3, :3], cf.teacher_logits()[:1, :, :3, :3])


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16])
def test_half_precision_is_finite(dtype: torch.dtype) -> None:
    assert torch.isfinite(sigmoid_distillation((cf.logits() * 1e4).to(dtype), cf.teacher_logits().to(dtype)))
