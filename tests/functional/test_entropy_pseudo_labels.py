"""Tests of PLOP's pseudo labels."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F

from mmciss.functional import entropy_pseudo_labels, normalised_entropy
from tests.functional import closed_form as cf


def test_golden_entropy() -> None:
    entropy = normalised_entropy(cf.teacher_logits(), 6)[0] * math.log(6)
    assert cf.near(entropy.mean(), 0.10727528) and cf.near(entropy.max(), 0.15088725)


@pytest.mark.parametrize(
    'threshold, factors, ignored, loss',
    [
        (0.05, (0.325000, 0.340909), 60, 0.610188),
        (0.06, (0.400000, 0.431818), 53, 0.832716),
        (0.07, (0.625000, 0.590909), 37, 1.441416),
    ],
)
def test_golden_labels_and_loss(threshold: float, factors: tuple[float, float], ignored: int, loss: float) -> None:
    labels, nu = entropy_pseudo_labels(cf.labels(), cf.teacher_logits(), torch.full((6,), threshold), 4, 6)
    torch.testing.assert_close(nu, torch.tensor(factors), rtol=0, atol=1e-6)
    assert (labels == 255).sum() == ignored
    per_pixel = F.cross_entropy(cf.logits(), labels, ignore_index=255, reduction='none')
    assert cf.near((per_pixel * nu.view(2, 1, 1)).mean(), loss)


def test_new_labels_and_ignored_pixels_stay() -> None:
    y = cf.labels()
    labels, _ = entropy_pseudo_labels(y, cf.teacher_logits(), torch.full((6,), 9.0), 4, 6)
    fixed = y >= 4
    assert torch.equal(labels[fixed], y[fixed])
    assert torch.equal(labels[~fixed], cf.teacher_logits().argmax(1)[~fixed])


def test_threshold_is_that_of_the_predicted_class() -> None:
    logits = torch.zeros(1, 3, 1, 2)
    logits[0, 1, 0, 0] = logits[0, 2, 0, 1] = 2.0
    thresholds = torch.tensor([0.0, 1.0, 0.0, 0.0])
    labels, nu = entropy_pseudo_labels(torch.zeros(1, 1, 2, dtype=torch.long), logits, thresholds, 3, 4)
    assert labels.tolist() == [[[1, 255]]] and float(nu) == pytest.approx(0.5)


def test_image_without_background() -> None:
    y = torch.full((1, 2, 2), 5)
    arguments = y, torch.zeros(1, 4, 2, 2), torch.ones(6), 4, 6
    assert entropy_pseudo_labels(*arguments)[1] == 0
    assert entropy_pseudo_labels(*arguments, minimum_factor=0.2)[1] == pytest.approx(0.2)
    assert entropy_pseudo_labels(*arguments, full_factor=1.0)[1] == 1


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16])
def test_half_precision_and_a_teacher_of_one_class_are_finite(dtype: torch.dtype) -> None:
    for channels in (1, 4):
        logits = (cf.teacher_logits()[:, :channels] * 1e4).to(dtype)
        assert torch.isfinite(normalised_entropy(logits, channels + 1)[0]).all()
