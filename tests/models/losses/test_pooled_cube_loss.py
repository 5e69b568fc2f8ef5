"""Tests of the feature distillation of RCIL."""

from __future__ import annotations

import pytest
from mmseg.registry import MODELS

from mmciss.functional import pooled_cube_distillation
from mmciss.models.losses import PooledCubeLoss
from tests.functional import closed_form as cf
from tests.functional.feature_lists import student_maps, teacher_maps
from tests.models.losses import samples
from tests.models.losses.test_local_pod_loss import LAYERS, output


def test_golden_value_and_weight() -> None:
    loss = MODELS.build(dict(type='PooledCubeLoss', layers=LAYERS, loss_weight=2.0))
    found = loss(output(student_maps()), output(teacher_maps()), cf.labels(), samples.later())
    assert cf.near(found, 2 * (0.00815267 + 0.06463696))


def test_factors_of_the_channel_part() -> None:
    loss = PooledCubeLoss(LAYERS, 0.3, 0.2, channel_factor=0.1, last_channel_factor=0.0, kernels=(2, 3))
    found = loss(output(student_maps()), output(teacher_maps()), cf.labels(), samples.later())
    student, teacher = student_maps(), teacher_maps()
    spatial = pooled_cube_distillation(student, teacher, [0.3] * 5 + [0.2], 4, 6, (2, 3))
    channel = pooled_cube_distillation(student[:5], teacher[:5], [0.1] * 4 + [0.0], 4, 6, mode='channel')
    assert float(found) == pytest.approx(float(spatial + channel))


def test_zero_without_a_teacher() -> None:
    found = PooledCubeLoss(LAYERS)(output(student_maps()), None, cf.labels(), samples.base())
    assert found == 0
