"""Tests of the distillation of LwF-MC and DKD."""

from __future__ import annotations

import torch

from mmciss.models.losses import SigmoidDistillationLoss
from mmciss.models.outputs import SegOutput
from tests.functional import closed_form as cf
from tests.models.losses import samples


def test_golden_value_of_lwf_mc() -> None:
    found = SigmoidDistillationLoss()(samples.student(), samples.teacher(), cf.labels(), samples.later())
    assert cf.near(found, 46.433292)


def test_golden_value_of_dkd() -> None:
    loss = SigmoidDistillationLoss(5.0, foreground_only=True)
    student, teacher = SegOutput(cf.wave((2, 6, 8, 8), 0.31, 0.2)), SegOutput(cf.wave((2, 4, 8, 8), 0.47, 0.9))
    assert cf.near(loss(student, teacher, cf.labels(), samples.later()), 5 * 3.434502)


def test_every_channel_is_foreground_without_a_background() -> None:
    student = samples.student()
    losses = [
        SigmoidDistillationLoss(foreground_only=f)(student, student, cf.labels(), samples.domain())
        for f in (True, False)
    ]
    torch.testing.assert_close(*losses)
