"""SSUL's pseudo labels."""

from __future__ import annotations

import torch

import mmciss.register_all
from mmciss.registry import LABELERS
from tests.functional import closed_form as cf
from tests.models.labelers import samples
from tests.models.losses.samples import later_step


def test_background_becomes_the_class_that_the_teacher_is_sure_of() -> None:
    labeler = LABELERS.build(dict(type='ThresholdLabeler', threshold=0.7))
    labels = samples.label(labeler, cf.labels(), samples.output(), later_step())
    score, predicted = cf.teacher_logits().sigmoid().max(1)
    changed = (cf.labels() == 0) & (score >= 0.7) & (predicted > 0)
    assert torch.equal(labels.target, torch.where(changed, predicted, cf.labels()))
    assert changed.any() and labels.weights is None
