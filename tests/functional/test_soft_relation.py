"""Tests of GSC's relation distillation."""

from __future__ import annotations

import pytest
import torch

from mmciss.functional import sharp_relation, soft_relation
from tests.functional import closed_form as cf


def soft_reference(z: torch.Tensor, zo: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    one_hot = torch.stack([(y == c).to(z) for c in range(4, 6)], 1)
    q = torch.cat([zo.sigmoid(), one_hot], 1).softmax(1)
    return -(q * z.log_softmax(1)).mean()


def test_soft_equals_the_equation() -> None:
    z, zo, y = cf.logits().double(), cf.teacher_logits().double(), cf.labels()
    torch.testing.assert_close(soft_relation(z, zo, y, 4), soft_reference(z, zo, y))


def test_sharp_equals_the_equation() -> None:
    z = cf.logits().double()
    torch.testing.assert_close(sharp_relation(z), -(z.softmax(1) * z.softmax(1).log()).mean())
    assert sharp_relation(torch.zeros(1, 4, 1, 1)) == pytest.approx(torch.tensor(4.0).log().item() / 4)


def test_gradients() -> None:
    y = cf.labels()[:1, :3, :4].clone()
    y[0, 1, 1] = 5
    assert cf.check_gradient(
        lambda z, zo: soft_relation(z, zo, y, 4), cf.logits()[:1, :, :3, :4], cf.teacher_logits()[:1, :, :3, :4]
    )
    assert cf.check_gradient(sharp_relation, cf.logits()[:1, :, :3, :4])


@pytest.mark.parametrize('label', [0, 5, 255])
@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16])
def test_finite(label: int, dtype: torch.dtype) -> None:
    z = (cf.logits() * 1e4).to(dtype).requires_grad_(True)
    loss = soft_relation(z, cf.teacher_logits().to(dtype), torch.full((2, 8, 8), label), 4)
    (loss + sharp_relation(z)).backward()
    assert torch.isfinite(loss) and torch.isfinite(z.grad).all()
