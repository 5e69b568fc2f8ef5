"""Tests of the distillation of LwF."""

from __future__ import annotations

import pytest
import torch

from mmciss.functional import logit_distillation
from tests.functional import closed_form as cf


def test_golden_value() -> None:
    assert cf.near(logit_distillation(cf.logits(), cf.teacher_logits()), 0.754374)


def test_equals_the_equation() -> None:
    z, zo = cf.logits().double(), cf.teacher_logits().double()
    torch.testing.assert_close(logit_distillation(z, zo), -(zo.softmax(1) * z[:, :4].log_softmax(1)).mean())


def test_new_channels_take_no_part_and_shifts_cancel() -> None:
    z, zo = cf.logits(), cf.teacher_logits()
    other = z.clone()
    other[:, 4:] += 7
    assert logit_distillation(other, zo) == logit_distillation(z, zo)
    torch.testing.assert_close(logit_distillation(z + 3, zo - 2), logit_distillation(z, zo))


def test_smallest_where_student_equals_teacher() -> None:
    zo = cf.teacher_logits().double().requires_grad_(True)
    logit_distillation(zo, zo.detach()).backward()
    assert zo.grad.abs().max() < 1e-15


def test_gradient() -> None:
    assert cf.check_gradient(logit_distillation, cf.logits()[:1, :, :3, :3], cf.teacher_logits()[:1, :, :3, :3])


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16])
def test_half_precision_is_finite(dtype: torch.dtype) -> None:
    assert torch.isfinite(logit_distillation((cf.logits() * 1e4).to(dtype), cf.teacher_logits().to(dtype)))
