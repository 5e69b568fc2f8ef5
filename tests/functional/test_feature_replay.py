"""Tests of STAR's distributions, amounts and losses."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F

from mmciss.functional import (
    EmbeddingDistribution,
    compensate,
    embedding_sums,
    masked_feature_distillation,
    predicted_classes,
    prototype_discrimination,
    replay_amounts,
    replay_bce,
    replay_features,
)


def test_distribution_of_three_sites_by_hand() -> None:
    embedding = torch.tensor([[3.0, 0.0, 4.0, 5.0], [4.0, 2.0, 3.0, 0.0]], dtype=torch.float64).view(1, 2, 1, 4)
    found = embedding_sums(embedding, torch.tensor([[[1, 2, 1, 255]]]), 4)
    assert found.counts.tolist() == [0, 2, 1, 0]
    prototype, spread, mean, std = found.distribution()
    half = math.sqrt(0.5)
    torch.testing.assert_close(prototype[1], torch.tensor([half, half], dtype=torch.float64))
    both = math.sqrt(((0.6 - half) ** 2 + (0.8 - half) ** 2) / 2)
    torch.testing.assert_close(spread[1], torch.tensor([both, both], dtype=torch.float64))
    assert mean.tolist() == [0, 5, 2, 0] and std.tolist() == [0, 0, 0, 0]
    torch.testing.assert_close(prototype[2], torch.tensor([0.0, 1.0], dtype=torch.float64))
    assert not spread[[0, 2, 3]].any()


def test_norms_have_the_unbiased_deviation_and_labels_are_those_of_centres() -> None:
    embedding = torch.tensor([1.0, 4.0]).view(1, 1, 1, 2)
    labels = torch.full((1, 4, 8), 255)
    labels[0, 2, [2, 6]] = 1
    sums = embedding_sums(embedding, labels, 2)
    assert sums.counts.tolist() == [0, 2]
    distribution = sums.distribution()
    assert distribution.norm_mean[1] == 2.5
    assert float(distribution.norm_std[1]) == pytest.approx(math.sqrt(4.5))


def test_replayed_features_have_the_moments_of_their_class() -> None:
    torch.manual_seed(0)
    given = EmbeddingDistribution(
        torch.tensor([[0.0, 0.0], [0.6, 0.8], [1.0, 0.0]]),
        torch.tensor([[0.0, 0.0], [0.1, 0.3], [0.2, 0.0]]),
        torch.tensor([0.0, 2.0, 3.0]),
        torch.tensor([0.0, 0.5, 0.0]),
    )
    amount = 100_000
    found = replay_features(given, torch.tensor([0, amount, 2]))
    assert found.shape == (amount + 2, 2)
    one = found[:amount]
    torch.testing.assert_close(one.mean(0), torch.tensor([1.2, 1.6]), atol=0.01, rtol=0)
    square = (given.prototype[1] ** 2 + given.spread[1] ** 2) * (4 + 0.25)
    torch.testing.assert_close(one.var(0), square - torch.tensor([1.2, 1.6]) ** 2, rtol=0.03, atol=0)
    covariance = torch.cov(one.T)[0, 1]
    assert abs(float(covariance)) < 0.01, 'the norm is drawn for every channel'
    one = replay_features(given, torch.tensor([0, amount, 0]), 'vector')
    assert float(torch.cov(one.T)[0, 1]) == pytest.approx(0.6 * 0.8 * 0.25, abs=0.01)
    assert replay_features(given, torch.zeros(3, dtype=torch.long)).shape == (0, 2)


@pytest.mark.parametrize(
    ('rule', 'features', 'background', 'counts'),
    [
        ('overlapped', [0, 3, 0, 0], 1000 * 0.98 / 400 - 0.5, [0.5 * 400 + 980, 100, 20, 0]),
        ('disjoint', [0, 10, 2, 0], 1000 / 400, [1400, 165, 50, 5]),
        ('constant', [0, 10, 2, 0], 1000 / 400, [1400, 100, 20, 0]),
        # The third class has more sites here than it had, the fourth had none.
        ('adaptive', [0, 3, 0, 0], (980 - 1.0 * 90) / 400, [1380, 100, 20, 0]),
    ],
)
def test_amounts_by_hand(rule: str, features: list[int], background: float, counts: list[float]) -> None:
    found = replay_amounts(torch.tensor([1000, 100, 20, 0]), torch.tensor([400, 65, 30, 5]), 10, 2, rule, labelled=90)
    assert found.features.tolist() == features
    assert found.background == pytest.approx(background) and found.counts.tolist() == counts


def test_labelled_sites_count_by_how_much_is_shown_of_old_classes() -> None:
    found = replay_amounts(torch.tensor([1000, 100, 20]), torch.tensor([400, 65, 5]), 10, 2, 'adaptive', labelled=90)
    assert found.background == pytest.approx((980 - 0.65 * 90) / 400)
    nothing = replay_amounts(torch.tensor([10, 3]), torch.tensor([400, 9]), 10, 1, 'adaptive', 0.01, 0.5, 1, 500)
    assert nothing.background == 0 and nothing.features.tolist() == [0, 1] and nothing.counts[0] == 400 + 9.9


def test_compensation_of_a_translation() -> None:
    """A prototype moves by its share of the way that the model has moved, and the spread grows by as much."""
    before = EmbeddingDistribution(
        F.normalize(torch.rand(3, 4, dtype=torch.float64), dim=1),
        torch.rand(3, 4).double(),
        torch.rand(3),
        torch.rand(3),
    )
    step = torch.tensor([0.1, -0.2, 0.0, 0.3], dtype=torch.float64)
    sites, counts = torch.tensor([0, 25, 300]), torch.tensor([50, 100, 100])
    found = compensate(before, step.expand(3, -1), sites, counts)
    for number, share in enumerate((0.0, 0.25, 1.0)):
        torch.testing.assert_close(found.prototype[number], before.prototype[number] + share * step)
        torch.testing.assert_close(found.spread[number], before.spread[number] + share * step.abs())
    assert found.norm_mean is before.norm_mean and found.norm_std is before.norm_std


def test_amounts_at_their_limits() -> None:
    counts, predicted = torch.tensor([10, 3, 0]), torch.tensor([0, 0, 0])
    found = replay_amounts(counts, predicted, 10, 1, minimum=1)
    assert found.features.tolist() == [0, 1, 0] and math.isfinite(found.background)
    assert replay_amounts(counts, predicted, 10, 1).features.tolist() == [0, 0, 0]
    assert replay_amounts(torch.tensor([10, 3]), torch.tensor([90, 0]), 10, 1).background == 0
    assert replay_amounts(torch.tensor([10, 3]), torch.tensor([1, 0]), 10, 200).counts[0] == 0.5


def test_loss_with_replay_by_hand_and_without_is_the_plain_one() -> None:
    plain = torch.tensor(2.0)
    drawn, sites = torch.tensor([[1.0, -1.0]]), torch.tensor([[0.0, 0.5], [9.0, 9.0], [-1.0, 2.0], [7.0, 7.0]])
    chosen = torch.tensor([True, False, True, False])
    found = replay_bce(plain, drawn, sites, chosen, 0.25, 3.0)
    first = F.softplus(drawn).sum()
    second = F.softplus(sites[[0, 2]]).sum() / 2
    torch.testing.assert_close(found, (plain + 0.25 * first + 1.5 * second) / (1 + 0.25 + 1.5))
    nothing = replay_bce(plain, drawn[:0], sites, torch.zeros(4, dtype=torch.bool), 0.0, 3.0)
    torch.testing.assert_close(nothing, plain)
    torch.testing.assert_close(replay_bce(plain, drawn[:0], sites, chosen, 0.0, 0.0), plain)


def test_predicted_classes() -> None:
    logits = torch.tensor([[9.0, 9.0, 9.0], [0.4, 0.6, -1.0], [0.3, 0.7, 0.5]]).view(1, 3, 1, 3)
    assert predicted_classes(logits, 0.5).tolist() == [[[0, 2, 0]]]
    assert predicted_classes(logits, 0.0).tolist() == [[[1, 2, 2]]]


def test_masked_distillation_by_hand_and_with_an_empty_mask() -> None:
    new, old = torch.zeros(1, 2, 1, 2, requires_grad=True), torch.tensor([1.0, 2.0, 3.0, 4.0]).view(1, 2, 1, 2)
    mask = torch.tensor([[[True, False]]])
    torch.testing.assert_close(masked_feature_distillation(new, old, mask), torch.tensor((1.0 + 9.0) / 2))
    soft = torch.tensor([[[True, True, True, False]] * 2])  # 1 and a half
    expected = torch.tensor((1.0 + 9.0 + 0.5 * (4.0 + 16.0)) / (2 * 1.5))
    torch.testing.assert_close(masked_feature_distillation(new, old, soft), expected)
    loss = masked_feature_distillation(new, old, torch.zeros_like(mask))
    loss.backward()
    assert loss == 0 and new.grad.isfinite().all()


def test_discrimination_by_hand() -> None:
    embedding = torch.tensor([[2.0, 0.0, 5.0], [0.0, 3.0, 0.0]]).view(1, 2, 1, 3).requires_grad_(True)
    target, prototypes = torch.tensor([[[2, 2, 1]]]), torch.tensor([[1.0, 0.0], [-1.0, 0.0]])
    distance = math.sqrt((math.sqrt(0.5) - 1) ** 2 + 0.5)
    found = prototype_discrimination(embedding, target, prototypes, range(2, 3))
    assert float(found.detach()) == pytest.approx(1 / distance)
    absent = prototype_discrimination(embedding, target, prototypes, range(2, 4))
    assert float(absent.detach()) == pytest.approx((1 / distance + 1) / 2), 'a class that is not there costs 1'
    absent.backward()
    assert embedding.grad.isfinite().all() and embedding.grad.any()
    assert prototype_discrimination(embedding, target, prototypes[:0], range(2, 3)) == 0
    same = prototype_discrimination(embedding, torch.tensor([[[2, 0, 0]]]), prototypes, range(2, 3))
    assert same.isfinite(), 'on a prototype'
