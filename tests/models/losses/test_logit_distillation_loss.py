"""Tests of the distillation of LwF."""

from __future__ import annotations

from mmciss.models.losses import LogitDistillationLoss
from tests.functional import closed_form as cf
from tests.models.losses import samples


def test_golden_value() -> None:
    found = LogitDistillationLoss()(samples.student(), samples.teacher(), cf.labels(), samples.later())
    assert cf.near(found, 100 * 0.754374)
