"""How sure sigmoid scores are: the two best classes of a pixel."""

from __future__ import annotations

import torch
from torch import Tensor

from .numerics import at_least_float32


def two_best(logits: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Returns the two largest probabilities of the foreground, and the channel of the first.

    Args:
        logits: Scores of the background, which is not read, and of C - 1 classes, shape ``(N, C, H, W)``.

    Returns:
        Three maps ``(N, H, W)``; where there is one class, the second probability is 0.
    """
    scores = at_least_float32(logits)[:, 1:].sigmoid()
    if scores.shape[1] == 1:
        return scores[:, 0], torch.zeros_like(scores[:, 0]), torch.ones_like(scores[:, 0], dtype=torch.long)
    best, channel = scores.topk(2, 1)
    return best[:, 0], best[:, 1], channel[:, 0] + 1


def uncertainty(logits: Tensor, target: Tensor, threshold: float = 0.7) -> Tensor:
    r"""Computes the uncertainty-aware constraint of Adapter (AAAI 2025), the mean of :math:`(m (1 - g))^2`.

    :math:`g = \operatorname{sg}(s_1) - s_2` is the distance between the two largest probabilities. Only the second gets
    a gradient, which lowers it. :math:`m` is 0 where the first is right or exceeds ``threshold``, else 1.

    Args:
        logits: Scores of the background, which is not read, and of C - 1 classes, shape ``(N, C, H, W)``.
        target: Channels or 255, shape ``(N, H, W)``. Ignored pixels count, as in the release: no class is asked for.
        threshold: Probability above which a pixel is sure.

    Returns:
        A scalar; 0 if there is one class, which has no second.
    """
    first, second, channel = two_best(logits)
    if logits.shape[1] == 2:
        return second.sum()
    certain = (target == channel) | (first > threshold)
    return (1 - (first.detach() - second)).masked_fill(certain, 0).square().mean()
