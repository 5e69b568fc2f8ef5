"""Exponentials of a block of scores that neither overflow nor need memory."""
from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor


class Exponentials(NamedTuple):
    """Exponentials ``(C, P)`` of scores less the highest of each pixel, and their sum ``(P,)``."""

    values: Tensor
    total: Tensor
    highest: Tensor

    def logsumexp(self) -> Tensor:
        """Returns the log-sum-exp of the scores, shape ``(P,)``."""
        return self.total.log().add_(self.highest)


def exponentials(scores: Tensor, out: Tensor | None = None) -> Exponentials:
    """Computes ``exp(scores - max)`` and its sum over channels.

    Args:
        scores: Shape ``(C, P)`` with at least one channel; overwritten unless ``out`` is given.
        out: Where the exponentials go.
    """
    highest = scores.amax(0)
    values = torch.sub(scores, highest, out=scores if out is None else out).exp_()
    return Exponentials(values, values.sum(0), highest)
