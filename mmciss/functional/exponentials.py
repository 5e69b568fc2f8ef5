"""Exponentials of a block of scores that neither overflow nor need memory."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor


FLOOR = -60.0
"""Smaller arguments count as this one: 1e-26 of the largest."""


class Exponentials(NamedTuple):
    """Exponentials ``(C, P)`` of scores less the highest of each pixel, and their sum ``(P,)``."""

    values: Tensor
    total: Tensor
    highest: Tensor

    def logsumexp(self) -> Tensor:
        """Returns the log-sum-exp of the scores, shape ``(P,)``."""
        return self.total.log().add_(self.highest)


def exponentials(scores: Tensor) -> Exponentials:
    """Computes ``exp(scores - max)`` and its sum over channels, of scores ``(C, ...)`` with at least one channel."""
    highest = scores.amax(0)
    values = exp_of_negatives(scores - highest)
    return Exponentials(values, values.sum(0), highest)


def exp_of_negatives(values: Tensor) -> Tensor:
    """Replaces values, none above 0, by their exponentials and returns them.

    On a CPU an exponential that leaves the range of normal numbers takes a hundred times as long as
    another one, and so does arithmetic with it; hence the floor.
    """
    if values.device.type == 'cpu':
        values.clamp_(min=FLOOR)
    return values.exp_()
