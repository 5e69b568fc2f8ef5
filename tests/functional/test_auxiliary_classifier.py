"""Tests of the loss of auxiliary channels."""

from __future__ import annotations

import torch
import torch.nn.functional as F

from mmciss.functional import auxiliary_classifier_loss
from tests.functional import closed_form as cf


def test_golden_value() -> None:
    assert cf.near(auxiliary_classifier_loss(cf.wave((2, 6, 8, 8), 0.31, 0.2)[:, :1]), 1.160701)


def test_positive_and_ignored_pixels() -> None:
    z = cf.wave((2, 1, 8, 8), 0.31, 0.2).double()
    positive, ignored = cf.labels() == 3, cf.labels() == 255
    expected = F.binary_cross_entropy_with_logits(z[:, 0][~ignored], positive[~ignored].double())
    torch.testing.assert_close(auxiliary_classifier_loss(z, positive, ignored), expected)
    assert auxiliary_classifier_loss(z, positive, torch.ones_like(ignored)) == 0


def test_gradient() -> None:
    positive = cf.labels()[:1, :3, :3] == 1
    assert cf.check_gradient(lambda z: auxiliary_classifier_loss(z, positive), cf.wave((1, 2, 3, 3), 0.31, 0.2))
