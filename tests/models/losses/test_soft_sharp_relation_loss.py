"""Tests of the relation distillation of GSC."""

from __future__ import annotations

import pytest
import torch
from mmseg.registry import MODELS

import mmciss.models.losses  # noqa: F401
from mmciss.functional import sharp_relation, soft_relation
from tests.functional import closed_form as cf
from tests.models.losses import samples


@pytest.mark.parametrize('soft, sharp', [(0.3, 0.1), (0.0, 0.1), (0.3, 0.0)])
def test_is_the_weighted_sum_of_its_halves(soft: float, sharp: float) -> None:
    loss = MODELS.build(dict(type='SoftSharpRelationLoss', soft_weight=soft, sharp_weight=sharp, loss_weight=2.0))
    found = loss(samples.student(), samples.teacher(), cf.labels(), samples.later())
    expected = soft * soft_relation(cf.logits(), cf.teacher_logits(), cf.labels(), 4) + sharp * sharp_relation(
        cf.logits()
    )
    torch.testing.assert_close(found, 2 * expected)


def test_zero_without_a_teacher() -> None:
    loss = MODELS.build(dict(type='SoftSharpRelationLoss'))
    assert loss(samples.student(), None, cf.labels(), samples.base()) == 0
