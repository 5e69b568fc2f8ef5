"""Pseudo labels and distillation of queries, against what was worked out by hand."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from mmciss.functional import mask_pseudo_labels, query_distillation


def sure(*answers: tuple[int, float], channels: int = 5) -> Tensor:
    """Logits of queries whose given answers have the given probabilities; the others share the rest."""
    rows = []
    for answer, probability in answers:
        row = torch.full((channels,), (1 - probability) / (channels - 1))
        row[answer] = probability
        rows.append(row)
    return torch.stack(rows)[None].log()


def halves(*columns: slice) -> Tensor:
    """Logits of masks ``(1, Q, 4, 8)`` that are sure to cover some columns."""
    masks = torch.full((1, len(columns), 4, 8), -9.0)
    for index, part in enumerate(columns):
        masks[0, index, :, part] = 9.0
    return masks


def test_confident_masks_label_background_alone() -> None:
    target = torch.zeros(1, 4, 8, dtype=torch.long)
    target[0, 0], target[0, 1] = 255, 3
    classes = sure((1, 0.9), (2, 0.4), (4, 0.9), (0, 0.9))
    masks = halves(slice(0, 2), slice(2, 4), slice(4, 6), slice(6, 8))
    found = mask_pseudo_labels(target, classes, masks, threshold=0.5)
    assert found[0, 2].tolist() == [1, 1, 0, 0, 0, 0, 0, 0], 'not a weak query, not no object'
    assert torch.equal(found[0, :2], target[0, :2]), 'labels stay'
    assert mask_pseudo_labels(target, classes, masks, threshold=0.3)[0, 3].tolist() == [1, 1, 2, 2, 0, 0, 0, 0]
    assert torch.equal(mask_pseudo_labels(target, classes, masks, threshold=0.95), target)


def test_the_query_with_the_largest_product_has_the_pixel() -> None:
    target = torch.zeros(1, 4, 8, dtype=torch.long)
    classes = sure((1, 0.6), (2, 0.8), (0, 0.99))
    masks = halves(slice(0, 6), slice(3, 8), slice(7, 8))
    assert mask_pseudo_labels(target, classes, masks)[0, 0].tolist() == [1, 1, 1, 2, 2, 2, 2, 0]
    # A sure class with half a mask loses to a less sure one with a whole mask, and alone it needs half a mask.
    masks[0, 1, :, 3:6], masks[0, 1, :, 6] = 0.1, -0.1
    assert mask_pseudo_labels(target, classes, masks)[0, 0].tolist() == [1, 1, 1, 1, 1, 1, 0, 0]


def test_masks_are_upsampled() -> None:
    target = torch.zeros(1, 8, 16, dtype=torch.uint8)
    found = mask_pseudo_labels(target, sure((3, 0.9)), halves(slice(0, 4)))
    assert found.dtype == torch.uint8 and found[0, 0].tolist() == [3] * 8 + [0] * 8


def logits(*rows: list[float]) -> Tensor:
    return torch.tensor([rows], dtype=torch.float64).log()


# Background, two old classes, 'no object'; the student has a new class before the last.
TEACHER = logits([0.1, 0.5, 0.2, 0.2], [0.5, 0.1, 1e-300, 0.4])
STUDENT = logits([0.1, 0.4, 0.1, 0.3, 0.1], [0.2, 0.05, 0.05, 0.6, 0.1])


def test_by_hand() -> None:
    first = -(0.5 * math.log(0.4) + 0.2 * math.log(0.1) + 0.3 * math.log(0.5))
    second = -(0.1 * math.log(0.05) + 0.9 * math.log(0.9))
    assert math.isclose(query_distillation(STUDENT, TEACHER), (0.7 * first + 0.1 * second) / 0.8)
    assert math.isclose(query_distillation(STUDENT, TEACHER, focus=0.0), (first + second) / 2)
    # Without a background, the first channel is a class like any other.
    first = -(0.1 * math.log(0.1) + 0.5 * math.log(0.4) + 0.2 * math.log(0.1) + 0.2 * math.log(0.4))
    assert math.isclose(query_distillation(STUDENT[:, :1], TEACHER[:, :1], background=False), first)


def test_new_classes_may_take_what_was_background_or_no_object() -> None:
    other = STUDENT[..., [4, 1, 2, 0, 3]]
    torch.testing.assert_close(query_distillation(other, TEACHER), query_distillation(STUDENT, TEACHER))


def test_it_is_least_where_both_agree() -> None:
    agreeing = logits([0.05, 0.5, 0.2, 0.05, 0.2]).requires_grad_()
    query_distillation(agreeing, TEACHER[:, :1]).backward()
    torch.testing.assert_close(agreeing.grad, torch.zeros_like(agreeing))


@pytest.mark.parametrize('focus', [0.0, 1.0, 2.0])
def test_gradient(focus: float) -> None:
    generator = torch.Generator().manual_seed(0)
    student = torch.randn(2, 3, 6, dtype=torch.float64, generator=generator, requires_grad=True)
    teacher = torch.randn(2, 3, 4, dtype=torch.float64, generator=generator)
    assert torch.autograd.gradcheck(lambda x: query_distillation(x, teacher, focus=focus), (student,))


def test_a_teacher_that_sees_nothing_teaches_nothing() -> None:
    teacher = torch.full((1, 2, 4), -200.0)
    teacher[..., -1] = 200.0
    student = torch.randn(1, 2, 6, requires_grad=True)
    loss = query_distillation(student, teacher)
    loss.backward()
    assert loss == 0 and student.grad.abs().sum() == 0
