"""Tests of the main loss of DKD."""

from __future__ import annotations

import torch

from mmciss.functional import new_class_bce
from mmciss.models.losses import NewClassBCELoss
from tests.functional import closed_form as cf
from tests.functional.test_binary_cross_entropy import logits_and_labels
from tests.models.losses import samples


def test_golden_value_at_a_later_step() -> None:
    loss = NewClassBCELoss(pos_weight=2.0, void_is_negative=True)
    loss.prepare(samples.later())
    assert cf.near(loss(*logits_and_labels()), 2.366299)


def test_ignored_pixels_cost_nothing_by_default() -> None:
    z, y = logits_and_labels()
    loss = NewClassBCELoss(pos_weight=2.0)
    loss.prepare(samples.later())
    torch.testing.assert_close(loss(z, y), new_class_bce(z, y, [4, 5], 2.0, ignore_index=255))


def test_base_step_trains_every_foreground_class_and_no_background() -> None:
    z, y = cf.logits().requires_grad_(True), cf.labels()
    for step, classes in ((samples.base(), range(1, 6)), (samples.domain(), range(6))):
        loss = NewClassBCELoss(void_is_negative=True)
        loss.prepare(step)
        torch.testing.assert_close(loss(z, y), new_class_bce(z, y, classes))
    loss = NewClassBCELoss()
    loss.prepare(samples.base())
    loss(z, y).backward()
    assert not z.grad[:, 0].any() and z.grad[:, 1:].abs().sum((0, 2, 3)).all()
