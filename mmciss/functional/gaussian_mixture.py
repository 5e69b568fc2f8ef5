"""Mixtures of Gaussians with diagonal covariances: densities, samples, and their fit to weighted vectors."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

FLOOR = 1e-6
"""Least variance of a channel."""


class GaussianMixture(NamedTuple):
    """One mixture of K Gaussians over D channels for each of C classes.

    Attributes:
        weight: Shares of the Gaussians, ``(C, K)``; all 0 for a class without a mixture.
        mean: Shape ``(C, K, D)``.
        variance: Variances channel by channel, ``(C, K, D)``.

    Examples:
        >>> one = GaussianMixture(torch.ones(1, 1), torch.zeros(1, 1, 2), torch.ones(1, 1, 2))
        >>> torch.exp(one.log_density(torch.zeros(1, 2)))
        tensor([[0.1592]], dtype=torch.float64)
    """

    weight: Tensor
    mean: Tensor
    variance: Tensor

    @property
    def known(self) -> Tensor:
        """Which classes have a mixture, boolean, ``(C,)``."""
        return self.weight.sum(1) > 0

    @property
    def centre(self) -> Tensor:
        """Mean of each mixture, ``(C, D)``."""
        return (self.weight.unsqueeze(2) * self.mean).sum(1)

    def of(self, classes: Tensor | slice) -> GaussianMixture:
        """Returns the mixtures of some classes."""
        return GaussianMixture(*(item[classes] for item in self))

    def joint_log_densities(self, values: Tensor) -> Tensor:
        """Returns the log density of each vector under each Gaussian, times the Gaussian's share.

        Args:
            values: Shape ``(S, D)``.

        Returns:
            Shape ``(S, C, K)``, float64, since variances span many orders of magnitude.
        """
        weight, mean, variance = (item.double() for item in self)
        precision = variance.clamp(min=FLOOR).reciprocal().flatten(0, 1)
        mean, values = mean.flatten(0, 1), values.double()
        distance = values.square() @ precision.T - 2 * values @ (mean * precision).T
        constant = (mean.square() * precision - precision.log()).sum(1) + mean.shape[1] * math.log(2 * math.pi)
        return weight.clamp(min=1e-300).log() - 0.5 * (distance + constant).unflatten(1, weight.shape)

    def log_density(self, values: Tensor) -> Tensor:
        """Returns the log density of vectors ``(S, D)`` under each mixture, ``(S, C)``, float64."""
        return self.joint_log_densities(values).logsumexp(2)

    def draw(self, amounts: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Draws ``amounts (C,)`` vectors of each class, ``(n, D)``, class by class."""
        rows = torch.arange(len(amounts), device=amounts.device).repeat_interleave(amounts)
        if not len(rows):
            return self.mean.new_zeros(0, self.mean.shape[2])
        chosen = torch.multinomial(self.weight[rows], 1, generator=generator).squeeze(1)
        mean, variance = self.mean[rows, chosen], self.variance[rows, chosen]
        noise = torch.randn(mean.shape, generator=generator, dtype=mean.dtype, device=mean.device)
        return mean + variance.sqrt() * noise


def fit_mixture(
    values: Tensor,
    shares: Tensor,
    components: int,
    iterations: int = 30,
    start: GaussianMixture | None = None,
    seed: int = 0,
) -> GaussianMixture:
    """Fits one mixture by expectation maximisation, in double precision.

    Args:
        values: Vectors, shape ``(S, D)``, at least one.
        shares: How much each of them counts, positive, shape ``(S,)``.
        components: Number K of Gaussians.
        iterations: Number of updates.
        start: The mixture of one class to start from; None starts from the nearest of K vectors, chosen one after
            the other with a probability that grows with the square of the distance to the nearest chosen before
            (k-means++, SODA 2007).
        seed: Decides that choice.

    Returns:
        A mixture of one class, float64. A Gaussian to which no vector belongs has share 0.
    """
    values, shares = values.double(), shares.double()
    offset = values.mean(0)  # variances are differences of squares
    values = values - offset
    if start is None:
        member = _nearest(values, _spread_out(values, shares, components, seed))
        start = _maximise(values, shares, member, GaussianMixture(*(3 * [values.new_zeros(1, components, 1)])))
    else:
        start = GaussianMixture(start.weight.double(), start.mean.double() - offset, start.variance.double())
    found = start
    for _ in range(iterations):
        member = found.joint_log_densities(values).squeeze(1).softmax(1)
        found = _maximise(values, shares, member, found)
    return found._replace(mean=found.mean + offset)


def _spread_out(values: Tensor, shares: Tensor, number: int, seed: int) -> Tensor:
    """Chooses ``number`` vectors that lie apart, ``(K, D)``."""
    generator = torch.Generator().manual_seed(seed)
    chosen = torch.multinomial(shares.cpu(), 1, generator=generator).to(values.device)
    for _ in range(number - 1):
        nearest = torch.cdist(values, values[chosen]).amin(1).square() * shares
        nearest = nearest if nearest.sum() > 0 else shares
        more = torch.multinomial(nearest.cpu(), 1, generator=generator).to(values.device)
        chosen = torch.cat([chosen, more])
    return values[chosen]


def _nearest(values: Tensor, centres: Tensor) -> Tensor:
    """Returns to which centre each vector belongs, one-hot, ``(S, K)``."""
    nearest = torch.cdist(values, centres).argmin(1, keepdim=True)
    return torch.zeros(len(values), len(centres), dtype=values.dtype, device=values.device).scatter(1, nearest, 1.0)


def _maximise(values: Tensor, shares: Tensor, member: Tensor, before: GaussianMixture) -> GaussianMixture:
    """Fits each Gaussian to the vectors that belong to it; one without any stays where it was."""
    belong = member * shares.unsqueeze(1)
    total = belong.sum(0)
    some = (total > 1e-9 * shares.sum()).unsqueeze(1)
    count = total.clamp(min=1e-300).unsqueeze(1)
    mean = belong.T @ values / count
    variance = (belong.T @ values.square() / count - mean.square()).clamp(min=FLOOR)
    weight = torch.where(some.squeeze(1), total, 0)
    return GaussianMixture(
        (weight / weight.sum()).unsqueeze(0),
        torch.where(some, mean, before.mean[0]).unsqueeze(0),
        torch.where(some, variance, before.variance[0].clamp(min=FLOOR)).unsqueeze(0),
    )
