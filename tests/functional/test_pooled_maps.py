"""Tests of what distillations of pooled maps share."""

from __future__ import annotations

import torch

from mmciss.functional.pooled_maps import adaptive_factor, squared_difference
from tests.functional import closed_form as cf


def test_adaptive_factor() -> None:
    assert adaptive_factor(16, 17) == 17**0.5
    assert adaptive_factor(19, 19) == 1


def test_squared_difference_merges_new_channels_before_squaring() -> None:
    student, teacher = cf.logits(), cf.teacher_logits()
    merged = torch.cat([student[:, :1] + student[:, 4:5] + student[:, 5:], student[:, 1:4]], 1)
    torch.testing.assert_close(squared_difference(teacher, student), teacher**2 - merged**2)
