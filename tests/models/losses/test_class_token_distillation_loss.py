"""Distillation of the tokens of old classes."""

from __future__ import annotations

import torch
from mmseg.registry import MODELS

from tests.functional import closed_form as cf
from tests.models.losses import samples

LAYER = 'decode_head.classes_proj'


def test_only_old_tokens_are_compared() -> None:
    loss = MODELS.build(dict(type='ClassTokenDistillationLoss', loss_weight=3.0))
    new, old = cf.wave((2, 6, 5), 0.3, 0.1), cf.wave((2, 4, 5), 0.2, 0.6)
    student, teacher = samples.student(features={LAYER: new}), samples.teacher(features={LAYER: old})
    expected = 3 * (new[:, :4] - old).square().mean()
    torch.testing.assert_close(loss(student, teacher, cf.labels(), samples.later()), expected)
    assert loss(student, None, cf.labels(), samples.base()) == 0
