"""Tests of pseudo labels."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F

from mmciss.functional import (
    entropy_pseudo_labels,
    ignore_unsure_background,
    normalised_entropy,
    rectified_log_probabilities,
    threshold_pseudo_labels,
)
from tests.functional import closed_form as cf


def logit(probability: float) -> float:
    return math.log(probability / (1 - probability))


def test_rule() -> None:
    #                      sure class   unsure class  sure background  labelled  ignored
    scores = torch.tensor(
        [
            [logit(0.2), logit(0.2), logit(0.9), logit(0.2), logit(0.2)],
            [logit(0.8), logit(0.6), logit(0.8), logit(0.9), logit(0.9)],
            [logit(0.1), logit(0.3), logit(0.1), logit(0.1), logit(0.1)],
        ]
    )
    target = torch.tensor([[[0, 0, 0, 3, 255]]])
    found = threshold_pseudo_labels(target, scores.view(1, 3, 1, 5))
    assert found.tolist() == [[[1, 0, 0, 3, 255]]]
    assert target.tolist() == [[[0, 0, 0, 3, 255]]]


def test_two_channels_that_are_no_class() -> None:
    scores = torch.tensor([[-1.0, -1.0], [3.0, -1.0], [2.0, 3.0]]).view(1, 3, 1, 2)
    found = threshold_pseudo_labels(torch.tensor([[[1, 0]]]), scores, num_background=2)
    assert found.tolist() == [[[1, 2]]]


def test_softmax_counts_all_channels() -> None:
    """Two equal scores of 3 have probability 0.49 each, though sigmoid(3) is 0.95."""
    scores = torch.tensor([[0.0, 0.0], [3.0, 3.0], [3.0, -9.0]]).view(1, 3, 1, 2)
    labels = torch.zeros(1, 1, 2, dtype=torch.long)
    assert threshold_pseudo_labels(labels, scores).tolist() == [[[1, 1]]]
    assert threshold_pseudo_labels(labels, scores, probability='softmax').tolist() == [[[0, 1]]]


def test_unsure_background_is_ignored() -> None:
    """Background with 0.6; with 0.4, though it is the largest; with half; another label; an ignored pixel."""
    p = torch.tensor([[0.6, 0.2, 0.2], [0.4, 0.3, 0.3], [0.5, 0.25, 0.25], [0.1, 0.8, 0.1], [0.1, 0.1, 0.8]])
    scores = p.double().log().T.reshape(1, 3, 1, 5)
    found = ignore_unsure_background(torch.tensor([[[0, 0, 0, 1, 255]]]), scores)
    assert found.tolist() == [[[0, 255, 0, 1, 255]]]
    assert ignore_unsure_background(torch.tensor([[[0]]]), torch.zeros(1, 1, 1, 1)).tolist() == [[[0]]]


def test_threshold_itself_is_enough() -> None:
    scores = torch.tensor([-5.0, 0.0]).view(1, 2, 1, 1)
    assert threshold_pseudo_labels(torch.zeros(1, 1, 1, dtype=torch.long), scores, 0.5) == 1


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


def inputs() -> tuple[torch.Tensor, torch.Tensor]:
    return cf.wave((2, 5, 8, 8), 0.3, 0.2), cf.wave((4, 5), 0.7, 0.1)


def test_equals_the_equation() -> None:
    features, prototypes = inputs()
    zo = cf.teacher_logits()
    distance = (features.unsqueeze(1) - prototypes.view(1, 4, 5, 1, 1)).norm(dim=2)
    q = (-2 * distance).softmax(1) * zo.softmax(1)
    torch.testing.assert_close(
        rectified_log_probabilities(zo, features, prototypes, 2.0).exp(),
        q / q.sum(1, keepdim=True),
        rtol=1e-4,
        atol=1e-6,
    )


def test_without_temperature_it_is_the_teacher() -> None:
    features, prototypes = inputs()
    found = rectified_log_probabilities(cf.teacher_logits(), features, prototypes, 0.0)
    torch.testing.assert_close(found, cf.teacher_logits().log_softmax(1))


def test_prototypes_decide_where_the_teacher_does_not_know() -> None:
    features, prototypes = torch.zeros(1, 2, 1, 1), torch.tensor([[3.0, 0.0], [0.0, 1.0], [2.0, 2.0]])
    found = rectified_log_probabilities(torch.zeros(1, 3, 4, 4), features, prototypes)
    assert (found.argmax(1) == 1).all()


def test_coarse_features() -> None:
    features, prototypes = inputs()
    scores = rectified_log_probabilities(cf.teacher_logits(), features[..., ::4, ::4], prototypes)
    assert scores.shape == (2, 4, 8, 8)
    torch.testing.assert_close(scores.exp().sum(1), torch.ones(2, 8, 8))


def test_a_class_without_prototype_is_never_chosen() -> None:
    features, prototypes = inputs()
    prototypes[1] = float('nan')
    logits = cf.teacher_logits()
    logits[:, 1] += 50
    for size in ((8, 8), (16, 16)):
        large = torch.nn.functional.interpolate(logits, size)
        q = rectified_log_probabilities(large, features, prototypes).exp()
        assert not q[:, 1].any() and not q.isnan().any()
        torch.testing.assert_close(q.sum(1), torch.ones(2, *size))
    # Without any prototype at all the teacher decides alone.
    q = rectified_log_probabilities(logits, features, prototypes * float('nan')).exp()
    assert (q.argmax(1) == logits.argmax(1)).all()
