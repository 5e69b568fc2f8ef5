"""Importance of parameters by EWC: squared gradients."""

from __future__ import annotations

from torch import Tensor


def update_fisher(fisher: Tensor, gradient: Tensor, rate: float = 0.9) -> Tensor:
    """Continues the running diagonal Fisher information of EWC (PNAS 2017, arXiv 1612.00796).

    ``rate * gradient^2 + (1 - rate) * fisher`` after every iteration, from the gradient of the
    task's loss alone, through all steps; the running form is that of RW (ECCV 2018, arXiv 1801.10112).

    Args:
        fisher: Running value, ones for parameters that are new.
        gradient: Gradient of the same parameter.
        rate: Weight of the newest gradient.
    """
    return rate * gradient.square() + (1 - rate) * fisher
