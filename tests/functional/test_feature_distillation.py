"""Tests of feature distillation and its weighting."""

from __future__ import annotations

import pytest
import torch

from mmciss.functional import feature_distillation, merge_new_into_background, weighted_feature_distillation
from mmciss.functional.feature_distillation import adaptive_factor, squared_difference
from tests.functional import closed_form as cf


def test_mean_over_all_elements() -> None:
    a, b = cf.wave((2, 3, 4, 4), 0.3, 0.1).double(), cf.wave((2, 3, 4, 4), 0.2, 0.5).double()
    torch.testing.assert_close(feature_distillation(a, b), ((a - b) ** 2).sum() / 96)
    assert feature_distillation(a, a) == 0


def test_gradient() -> None:
    assert cf.check_gradient(feature_distillation, cf.wave((1, 3, 2, 2), 0.3, 0.1), cf.wave((1, 3, 2, 2), 0.2, 0.5))


def test_half_precision_does_not_overflow() -> None:
    a = torch.full((1, 1, 2, 2), 400.0, dtype=torch.float16)
    assert feature_distillation(a, -a) == 640000


def test_shapes_that_would_broadcast_are_refused() -> None:
    with pytest.raises(ValueError, match='differ in shape'):
        feature_distillation(torch.zeros(2, 3, 4, 4), torch.zeros(1, 3, 4, 4))


def test_weights_on_four_positions_by_hand() -> None:
    """Squares 1 + 9, 4, 16, 100 over two channels; the last position has no weight and does not count."""
    student = torch.tensor([[[1.0, 2.0], [4.0, 10.0]], [[3.0, 0.0], [0.0, 0.0]]])[None]
    weights = torch.tensor([[[1.0, 0.5], [0.25, 0.0]]])
    found = weighted_feature_distillation(student, torch.zeros_like(student), weights)
    assert float(found) == pytest.approx((10 + 0.5 * 4 + 0.25 * 16) / 2 / 3)
    assert weighted_feature_distillation(student, torch.zeros_like(student), weights * 0) == 0


def test_adaptive_factor() -> None:
    assert adaptive_factor(16, 17) == 17**0.5
    assert adaptive_factor(19, 19) == 1


def test_squared_difference_merges_new_channels_before_squaring() -> None:
    student, teacher = cf.logits(), cf.teacher_logits()
    merged = torch.cat([student[:, :1] + student[:, 4:5] + student[:, 5:], student[:, 1:4]], 1)
    torch.testing.assert_close(squared_difference(teacher, student), teacher**2 - merged**2)


def test_merge() -> None:
    scores = torch.tensor([1.0, 2.0, 4.0, 8.0, 16.0]).view(1, 5, 1, 1)
    assert merge_new_into_background(scores, 3).flatten().tolist() == [25, 2, 4]
    assert merge_new_into_background(scores, 5) is scores
