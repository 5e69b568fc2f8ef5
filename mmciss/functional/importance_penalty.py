"""A spring on every parameter, as stiff as the parameter is important."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor


def normalise_importance(importance: Tensor) -> Tensor:
    """Scales a tensor of importances to ``[0, 1]``: ``(x - min) / (max - min + 1e-8)``."""
    low, high = importance.aminmax()
    return (importance - low) / (high - low + 1e-8)


def importance_penalty(
    parameters: Iterable[Tensor], anchors: Iterable[Tensor], importances: Iterable[Tensor]
) -> Tensor:
    r"""Computes the penalty of EWC, PI and RW.

    .. math:: L = \sum_i \Omega_i (\theta_i - \theta_i^{old})^2

    Args:
        parameters: Current parameters.
        anchors: The same parameters at the end of the step before.
        importances: Importance of every element; EWC and PI pass the min-max normalised score of
            each tensor, RW the sum of two normalised scores.

    Returns:
        A scalar.

    Raises:
        ValueError: If the three differ in number.
    """
    terms = [
        (weight * (now - old).square()).sum() for now, old, weight in zip(parameters, anchors, importances, strict=True)
    ]
    return torch.stack(terms).sum() if terms else torch.zeros(())
