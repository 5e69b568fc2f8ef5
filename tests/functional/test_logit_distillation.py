"""Tests of the distillation of LwF."""

from __future__ import annotations

import pytest
import torch

from mmciss.functional import logit_distillation
from mmciss.functional.logit_distillation import check_old_channels
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


@pytest.mark.parametrize('shape', [(1, 2, 4, 4), (1, 4, 4, 2), (2, 4, 4, 4)])
def test_scores_that_do_not_extend_the_teacher(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match='do not extend'):
        check_old_channels(torch.zeros(shape), torch.zeros(1, 3, 4, 4))


def test_number_of_old_channels() -> None:
    assert check_old_channels(torch.zeros(1, 5, 2, 2), torch.zeros(1, 3, 2, 2)) == 3
