"""Exponentials of scores that neither overflow nor leave the range of normal numbers."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor

FLOOR = -60.0
"""Smaller arguments are raised to this one, whose exponential is 1e-26."""


class Exponentials(NamedTuple):
    """Exponentials ``(C, ...)`` of scores minus the highest score of each pixel, their sum ``(...)`` and that score."""

    values: Tensor
    total: Tensor
    highest: Tensor

    def logsumexp(self) -> Tensor:
        """Returns the log-sum-exp of the scores, shape ``(...)``."""
        return self.total.log().add_(self.highest)


def exponentials(scores: Tensor) -> Exponentials:
    """Computes ``exp(scores - max)`` and its sum over channels, of scores ``(C, ...)`` with at least one channel."""
    highest = scores.amax(0)
    values = exp_of_negatives(scores - highest)
    return Exponentials(values, values.sum(0), highest)


def exp_of_negatives(values: Tensor) -> Tensor:
    """Replaces values, none above 0, by their exponentials and returns them.

    On a CPU an exponential below the range of normal numbers, and arithmetic with it, takes up to a hundred times as
    long as others; hence the floor.
    """
    if values.device.type == 'cpu':
        values.clamp_(min=FLOOR)
    return values.exp_()
