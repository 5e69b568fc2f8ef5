"""Tests of the decomposed distillation of DKD."""

from __future__ import annotations

import torch
from mmseg.registry import MODELS

from mmciss.functional import decomposed_distillation
from mmciss.models.losses import DecomposedDistillationLoss
from mmciss.models.outputs import SegOutput
from tests.functional import closed_form as cf
from tests.functional.test_sigmoid_distillation import inputs
from tests.models.losses import samples


def outputs() -> tuple[SegOutput, SegOutput]:
    """The three old foreground rows of the golden inputs, between a background row and new rows."""
    x, w, xo, wo = inputs()
    row = torch.ones(1, 8, 1, 1)
    student = samples.student(4, embedding=x, classifier=samples.classifier(torch.cat([row, w, row, row])))
    return student, samples.teacher(4, embedding=xo, classifier=samples.classifier(torch.cat([row, wo])))


def test_golden_value() -> None:
    loss = MODELS.build(dict(type='DecomposedDistillationLoss', positive_weight=2.0, negative_weight=3.0))
    found = loss(*outputs(), cf.labels(), samples.later())
    assert cf.near(found, 2 * 1.956257 + 3 * 1.930723)


def test_background_takes_part_when_asked() -> None:
    student, teacher = outputs()
    found = DecomposedDistillationLoss(1.0, 1.0, foreground_only=False, loss_weight=0.5)(
        student, teacher, cf.labels(), samples.later()
    )
    both = decomposed_distillation(
        student.embedding, student.classifier.weight[:4], teacher.embedding, teacher.classifier.weight
    )
    torch.testing.assert_close(found, 0.5 * sum(both))


def test_gradient_reaches_the_students_old_rows_only() -> None:
    student, teacher = outputs()
    DecomposedDistillationLoss()(student, teacher, cf.labels(), samples.later()).backward()
    rows = student.classifier.weight.grad.abs().sum((1, 2, 3)) > 0
    assert rows.tolist() == [False, True, True, True, False, False]
    assert teacher.classifier.weight.grad is None


def test_zero_without_a_teacher() -> None:
    found = DecomposedDistillationLoss()(outputs()[0], None, cf.labels(), samples.base())
    assert found == 0
