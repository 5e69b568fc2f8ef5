"""Tests of the unbiased distillation."""

from __future__ import annotations

import pytest
import torch

from mmciss.functional import logit_distillation, unbiased_cross_entropy, unbiased_distillation
from tests.functional import closed_form as cf


def reference(logits: torch.Tensor, teacher: torch.Tensor, alpha: float) -> torch.Tensor:
    p, q = logits.softmax(1), (alpha * teacher).softmax(1)
    old = teacher.shape[1]
    merged = torch.cat([p[:, :1] + p[:, old:].sum(1, keepdim=True), p[:, 1:old]], 1)
    return -(q * merged.log()).mean()


def test_golden_value() -> None:
    assert cf.near(unbiased_distillation(cf.logits(), cf.teacher_logits()), 0.762901)


def test_golden_gradient_of_the_whole_loss() -> None:
    z = cf.logits().requires_grad_(True)
    (unbiased_cross_entropy(z, cf.labels(), 4) + 10 * unbiased_distillation(z, cf.teacher_logits())).backward()
    assert cf.near(z.grad.norm(), 0.205219)


@pytest.mark.parametrize('alpha', [0.5, 1.0, 2.0])
def test_equals_the_equation(alpha: float) -> None:
    z, zo = cf.logits().double(), cf.teacher_logits().double()
    torch.testing.assert_close(unbiased_distillation(z, zo, alpha), reference(z, zo, alpha))


def test_new_channels_may_be_permuted_old_ones_only_with_the_teacher() -> None:
    z, zo = cf.logits(), cf.teacher_logits()
    torch.testing.assert_close(unbiased_distillation(z[:, [0, 1, 2, 3, 5, 4]], zo), unbiased_distillation(z, zo))
    torch.testing.assert_close(
        unbiased_distillation(z[:, [0, 3, 1, 2, 4, 5]], zo[:, [0, 3, 1, 2]]), unbiased_distillation(z, zo)
    )


def test_without_new_classes_it_is_plain_distillation() -> None:
    z, zo = cf.logits()[:, :4], cf.teacher_logits()
    torch.testing.assert_close(unbiased_distillation(z, zo), logit_distillation(z, zo))


def test_background_split_over_new_classes_costs_nothing_more() -> None:
    """An even split, as MiB initialises, leaves the teacher's own entropy."""
    zo = cf.teacher_logits().double()
    background = zo[:, :1] - torch.tensor(3.0).double().log()
    z = torch.cat([background, zo[:, 1:], background, background], 1)
    torch.testing.assert_close(unbiased_distillation(z, zo), logit_distillation(zo, zo))


@pytest.mark.parametrize('channels', [4, 5, 6])
def test_gradient(channels: int) -> None:
    assert cf.check_gradient(
        unbiased_distillation, cf.logits()[:1, :channels, :3, :3], cf.teacher_logits()[:1, :, :3, :3]
    )


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16])
def test_half_precision_is_finite(dtype: torch.dtype) -> None:
    z = (cf.logits() * 1e4).to(dtype).requires_grad_(True)
    loss = unbiased_distillation(z, (cf.teacher_logits() * 1e4).to(dtype))
    loss.backward()
    assert torch.isfinite(loss) and torch.isfinite(z.grad).all()


def test_student_with_fewer_channels_is_refused() -> None:
    with pytest.raises(ValueError, match='do not extend'):
        unbiased_distillation(cf.logits()[:, :3], cf.teacher_logits())
