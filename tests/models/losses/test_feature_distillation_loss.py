"""Tests of the feature distillation of ILT."""

from __future__ import annotations

import torch
from mmseg.registry import MODELS

import mmciss.models.losses  # noqa: F401
from tests.functional import closed_form as cf
from tests.models.losses import samples


def test_equals_the_mean_squared_difference_of_one_layer() -> None:
    loss = MODELS.build(dict(type='FeatureDistillationLoss', layer='backbone.layer4', loss_weight=7.0))
    assert loss.needs == ('features', 'teacher') and loss.layers == ('backbone.layer4',)
    a, b = cf.wave((2, 3, 4, 4), 0.3, 0.1), cf.wave((2, 3, 4, 4), 0.2, 0.5)
    student = samples.student(features={'backbone.layer4': a, 'backbone.layer1': 5 * a})
    teacher = samples.teacher(features={'backbone.layer4': b, 'backbone.layer1': b})
    found = loss(student, teacher, cf.labels(), samples.later())
    torch.testing.assert_close(found, 7 * ((a - b) ** 2).mean())


def test_zero_without_a_teacher() -> None:
    loss = MODELS.build(dict(type='FeatureDistillationLoss', layer='backbone.layer4'))
    assert loss(samples.student(), None, cf.labels(), samples.base()) == 0
