"""Rows of new classes as transformations of the old ones (NeST)."""

from __future__ import annotations

import torch
from torch import Tensor

from .numerics import at_least_float32


def positive_contributions(
    embedding: Tensor, probabilities: Tensor, labels: Tensor, weight: Tensor, classes: range
) -> tuple[Tensor, Tensor]:
    r"""Sums up which weights of old classes speak for them where a new class is labelled.

    NeST (ECCV 2024, arXiv 2407.14142). For a new class i, old class k and channel d, over the sites x of class i:

    .. math:: B_i[k, d] = \sum_x \hat p_k(x)\, [\hat f_d(x)\, w_{kd} > 0]

    Args:
        embedding: The old model's, one row per site, shape ``(P, D)``.
        probabilities: Its softmax, shape ``(P, C_old)``.
        labels: Channels, shape ``(P,)``.
        weight: Its classifier's rows, shape ``(C_old, D)``.
        classes: Channels of the n new classes.

    Returns:
        The sums ``(n, C_old, D)`` and the number of sites of each class ``(n,)``, in double precision. The means are
        their quotients.
    """
    sums = weight.new_zeros(len(classes), *weight.shape, dtype=torch.float64)
    counts = torch.zeros(len(classes), dtype=torch.float64, device=weight.device)
    positive, negative = (weight > 0).double(), (weight < 0).double()
    for index, channel in enumerate(classes):
        of_class = labels == channel
        counts[index] = of_class.sum()
        features, shares = embedding[of_class], probabilities[of_class].double().T
        # A product is positive where both factors are positive, or both negative.
        sums[index] = positive * (shares @ (features > 0).double()) + negative * (shares @ (features < 0).double())
    return sums, counts


def transformed_rows(weight: Tensor, transformation: Tensor, shares: Tensor) -> Tensor:
    r"""Computes :math:`w_i = \sum_k q_{ik} (A_i[k] \odot w_k)` (NeST).

    Args:
        weight: Old rows ``w``, shape ``(C_old, D)``.
        transformation: ``A``, shape ``(n, C_old, D)``.
        shares: ``q``, shape ``(n, C_old)``.

    Returns:
        New rows, shape ``(n, D)``.

    Examples:
        >>> old = torch.tensor([[1.0, 2.0], [3.0, 4.0]])
        >>> transformed_rows(old, torch.ones(1, 2, 2), torch.tensor([[0.0, 1.0]]))
        tensor([[3., 4.]])
    """
    return torch.einsum('nk,nkd,kd->nd', shares, transformation, weight)


def with_mean_norm(rows: Tensor, reference: Tensor) -> Tensor:
    """Scales rows ``(n, D)`` by one factor, so that their mean norm is that of the rows ``reference (m, D)``.

    Scalars are rows of one channel: biases ``(n, 1)`` get the mean absolute value of the others.
    """
    rows, reference = at_least_float32(rows), at_least_float32(reference)
    norm = rows.norm(dim=1).mean()
    return rows * (reference.norm(dim=1).mean() / norm) if norm > 0 else rows
