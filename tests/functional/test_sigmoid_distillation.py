"""Tests of sigmoid and decomposed distillation."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from mmciss.functional import decompose, decomposed_distillation, sigmoid_distillation
from tests.functional import closed_form as cf


def test_golden_value_of_lwf_mc() -> None:
    assert cf.near(10 * sigmoid_distillation(cf.logits(), cf.teacher_logits()), 46.433292)


def test_golden_value_of_dkd() -> None:
    z, zo = cf.wave((2, 6, 8, 8), 0.31, 0.2), cf.wave((2, 4, 8, 8), 0.47, 0.9)
    assert cf.near(sigmoid_distillation(z[:, 1:], zo[:, 1:]), 3.434502)


def test_sigmoid_distillation_equals_the_equation() -> None:
    z, zo = cf.logits().double(), cf.teacher_logits().double()
    expected = 4 * F.binary_cross_entropy_with_logits(z[:, :4], zo.sigmoid())
    torch.testing.assert_close(sigmoid_distillation(z, zo), expected)


def test_channels_may_be_permuted_together() -> None:
    z, zo = cf.logits(), cf.teacher_logits()
    torch.testing.assert_close(
        sigmoid_distillation(z[:, [3, 2, 0, 1]], zo[:, [3, 2, 0, 1]]), sigmoid_distillation(z, zo)
    )


def test_sigmoid_distillation_gradient() -> None:
    assert cf.check_gradient(sigmoid_distillation, cf.logits()[:1, :, :3, :3], cf.teacher_logits()[:1, :, :3, :3])


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16])
def test_half_precision_is_finite(dtype: torch.dtype) -> None:
    assert torch.isfinite(sigmoid_distillation((cf.logits() * 1e4).to(dtype), cf.teacher_logits().to(dtype)))


def inputs() -> tuple[Tensor, Tensor, Tensor, Tensor]:
    return (
        cf.wave((2, 8, 4, 4), 0.29, 0.3).relu(),
        cf.wave((3, 8, 1, 1), 1.3, 0.4, 0.5),
        cf.wave((2, 8, 4, 4), 0.41, 0.5).relu(),
        cf.wave((3, 8, 1, 1), 1.1, 0.8, 0.5),
    )


def test_golden_values() -> None:
    positive, negative = decomposed_distillation(*inputs())
    assert cf.near(positive, 1.956257) and cf.near(negative, 1.930723)


def test_decomposed_distillation_equals_the_equation() -> None:
    x, w, xo, wo = (t.double() for t in inputs())
    for found, clamp in zip(decomposed_distillation(x, w, xo, wo), ({'min': 0}, {'max': 0}), strict=True):
        student = torch.einsum('ndhw,kd->nkhw', x, w[..., 0, 0].clamp(**clamp))
        teacher = torch.einsum('ndhw,kd->nkhw', xo, wo[..., 0, 0].clamp(**clamp))
        expected = 3 * F.binary_cross_entropy_with_logits(student, teacher.sigmoid())
        torch.testing.assert_close(found, expected)


def test_parts_add_up_to_the_logits_and_have_their_signs() -> None:
    x, w = inputs()[:2]
    positive, negative = decompose(x, w)
    torch.testing.assert_close(positive + negative, F.conv2d(x, w))
    assert positive.min() >= 0 and negative.max() <= 0


@pytest.mark.parametrize('argument', [0, 1])
def test_decomposed_distillation_gradient(argument: int) -> None:
    tensors = [t.double()[:1] if i % 2 == 0 else t.double() for i, t in enumerate(inputs())]

    def function(t: Tensor) -> Tensor:
        given = list(tensors)
        given[argument] = t
        positive, negative = decomposed_distillation(*given)
        return positive + 2 * negative

    assert cf.check_gradient(function, tensors[argument])
