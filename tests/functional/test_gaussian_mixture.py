"""Mixtures of Gaussians: densities, samples and fits."""

from __future__ import annotations

import itertools

import pytest
import torch

from mmciss.functional import GaussianMixture, fit_mixture
from mmciss.functional.gaussian_mixture import FLOOR


def two_classes() -> GaussianMixture:
    """A class of two Gaussians, and one of a single Gaussian."""
    return GaussianMixture(
        torch.tensor([[0.25, 0.75], [1.0, 0.0]], dtype=torch.float64),
        torch.tensor([[[-3.0, 0.0, 1.0], [3.0, 1.0, 0.0]], [[5.0, 5.0, 5.0], [0.0, 0.0, 0.0]]], dtype=torch.float64),
        torch.tensor([[[1.0, 0.25, 0.1], [0.5, 2.0, 0.3]], [[0.5, 0.5, 0.5], [0.0, 0.0, 0.0]]], dtype=torch.float64),
    )


def ordered(mixture: GaussianMixture) -> GaussianMixture:
    """The Gaussians of one class by the first channel of their means."""
    order = mixture.mean[0, :, 0].argsort()
    return GaussianMixture(*(item[:, order] for item in mixture))


def test_densities_are_those_of_torch() -> None:
    mixture = two_classes()
    values = torch.randn(7, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0)) * 3
    found = mixture.log_density(values)
    gaussians = torch.distributions.Independent(
        torch.distributions.Normal(mixture.mean[0], mixture.variance[0].sqrt()), 1
    )
    weights = torch.distributions.Categorical(mixture.weight[0])
    torch.testing.assert_close(
        found[:, 0], torch.distributions.MixtureSameFamily(weights, gaussians).log_prob(values), rtol=1e-12, atol=1e-12
    )
    single = torch.distributions.Independent(
        torch.distributions.Normal(mixture.mean[1, 0], mixture.variance[1, 0].sqrt()), 1
    )
    torch.testing.assert_close(found[:, 1], single.log_prob(values), rtol=1e-12, atol=1e-12)


def test_samples_have_the_moments_of_their_class() -> None:
    mixture, amount = two_classes(), 100_000
    found = mixture.draw(torch.tensor([amount, 2]), torch.Generator().manual_seed(0))
    assert found.shape == (amount + 2, 3)
    one = found[:amount]
    mean = 0.25 * mixture.mean[0, 0] + 0.75 * mixture.mean[0, 1]
    torch.testing.assert_close(mixture.centre[0], mean)
    torch.testing.assert_close(one.mean(0), mean, atol=0.03, rtol=0)
    second = (mixture.weight[0, :, None] * (mixture.variance[0] + mixture.mean[0].square())).sum(0)
    torch.testing.assert_close(one.var(0), second - mean.square(), rtol=0.02, atol=0)
    between = 0.25 * 0.75 * (-6.0) * (-1.0)
    assert float(torch.cov(one.T)[0, 1]) == pytest.approx(between, rel=0.03), 'two Gaussians, no covariance in either'
    assert mixture.draw(torch.zeros(2, dtype=torch.long)).shape == (0, 3)


@pytest.mark.parametrize('seed', range(5))
def test_fit_recovers_a_mixture(seed: int) -> None:
    true = two_classes().of(slice(0, 1))
    values = true.draw(torch.tensor([20_000]), torch.Generator().manual_seed(seed)).float()
    found = ordered(fit_mixture(values, torch.ones(len(values)), 2, seed=seed))
    for name, one, other in zip(GaussianMixture._fields, found, true, strict=True):
        torch.testing.assert_close(one, other, atol=0.06, rtol=0, msg=lambda text, name=name: f'{name}: {text}')
    again = ordered(fit_mixture(values, torch.ones(len(values)), 2, seed=seed))
    assert all(torch.equal(one, other) for one, other in zip(found, again, strict=True)), 'the seed decides'


def test_shares_count_like_repetitions() -> None:
    values = torch.randn(60, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    start = fit_mixture(values, torch.ones(60), 2, iterations=1)
    shares = torch.arange(60) % 3 + 1
    found = fit_mixture(values, shares, 2, 5, start)
    repeated = values.repeat_interleave(shares, 0)
    expected = fit_mixture(repeated, torch.ones(len(repeated)), 2, 5, start)
    torch.testing.assert_close(found, expected)


def test_updates_never_lower_the_likelihood() -> None:
    values = torch.randn(200, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0)).exp()
    found = [fit_mixture(values, torch.ones(200), 3, count).log_density(values).mean() for count in (1, 2, 5, 20)]
    assert all(later >= earlier - 1e-12 for earlier, later in itertools.pairwise(found))


def test_a_mixture_is_a_fixed_point_of_its_own_samples() -> None:
    true = two_classes().of(slice(0, 1))
    values = true.draw(torch.tensor([200_000]), torch.Generator().manual_seed(1))
    found = fit_mixture(values, torch.ones(len(values)), 2, 30, true)
    for one, other in zip(found, true, strict=True):
        torch.testing.assert_close(one, other, atol=0.03, rtol=0)


def test_few_and_equal_vectors() -> None:
    one = fit_mixture(torch.tensor([[2.0, 3.0]]), torch.ones(1), 3)
    assert one.weight.sum() == 1 and all(item.isfinite().all() for item in one)
    torch.testing.assert_close(one.centre, torch.tensor([[2.0, 3.0]], dtype=torch.float64))
    same = fit_mixture(torch.ones(50, 2), torch.ones(50), 2)
    assert all(item.isfinite().all() for item in same) and (same.variance >= FLOOR).all()
    assert same.log_density(torch.ones(1, 2)).isfinite().all()
    nothing = GaussianMixture(torch.zeros(1, 2), torch.zeros(1, 2, 2), torch.zeros(1, 2, 2))
    assert not nothing.known.any() and nothing.log_density(torch.ones(1, 2)).isfinite().all()
