"""Tests of the main loss of LwF-MC and SSUL."""

from __future__ import annotations

import torch

from mmciss.functional import binary_cross_entropy
from mmciss.models.losses import SigmoidCrossEntropyLoss
from tests.functional import closed_form as cf
from tests.models.losses import samples


def test_golden_values_at_every_step() -> None:
    for step in (samples.base(), samples.later()):
        for reduction, golden in [('valid_mean', 6.567945), ('pixel_mean', 6.362697)]:
            loss = SigmoidCrossEntropyLoss(reduction)
            loss.prepare(step)
            assert cf.near(loss(cf.logits(), cf.labels()), golden)


def test_negative_index() -> None:
    target = cf.labels()
    target[0, 3] = 254
    expected = binary_cross_entropy(cf.logits(), target, negative_index=254)
    torch.testing.assert_close(SigmoidCrossEntropyLoss(negative_index=254)(cf.logits(), target), expected)
