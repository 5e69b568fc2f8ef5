"""Tests of the distillation of MiB."""

from __future__ import annotations

import torch

from mmciss.functional import logit_distillation, unbiased_distillation
from mmciss.models.losses import UnbiasedDistillationLoss
from tests.functional import closed_form as cf
from tests.models.losses import samples


def test_golden_value() -> None:
    loss = UnbiasedDistillationLoss()
    found = loss(samples.student(), samples.teacher(), cf.labels(), samples.later())
    assert cf.near(found, 10 * 0.762901)


def test_alpha() -> None:
    found = UnbiasedDistillationLoss(1.0, alpha=2.0)(samples.student(), samples.teacher(), cf.labels(), samples.later())
    torch.testing.assert_close(found, unbiased_distillation(cf.logits(), cf.teacher_logits(), 2.0))


def test_domain_incremental_is_plain_distillation() -> None:
    found = UnbiasedDistillationLoss(1.0)(samples.student(), samples.student(), cf.labels(), samples.domain())
    torch.testing.assert_close(found, logit_distillation(cf.logits(), cf.logits()))
