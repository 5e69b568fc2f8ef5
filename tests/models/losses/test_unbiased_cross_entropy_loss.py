"""Tests of the main loss of MiB."""

from __future__ import annotations

import torch
import torch.nn.functional as F

from mmciss.models.losses import UnbiasedCrossEntropyLoss
from tests.functional import closed_form as cf
from tests.models.losses import samples


def test_golden_value_at_a_later_step() -> None:
    loss = UnbiasedCrossEntropyLoss()
    loss.prepare(samples.later())
    assert cf.near(loss(cf.logits(), cf.labels()), 1.283129)


def test_is_cross_entropy_over_all_pixels_at_the_base_step() -> None:
    loss = UnbiasedCrossEntropyLoss()
    loss.prepare(samples.base())
    expected = F.cross_entropy(cf.logits(), cf.labels(), ignore_index=255, reduction='none').mean()
    torch.testing.assert_close(loss(cf.logits(), cf.labels()), expected)
    loss.prepare(samples.domain())
    torch.testing.assert_close(loss(cf.logits(), cf.labels()), expected)
