"""The classifier that learns to say no, from which new classes start."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from .precision import at_least_float32
from .processes import mean_count


def auxiliary_classifier_loss(logits: Tensor, positive: Tensor | None = None, ignored: Tensor | None = None) -> Tensor:
    """Trains classifiers whose target is "no" everywhere, or "yes" on given pixels.

    The auxiliary classifier of DKD (NeurIPS 2022, arXiv 2210.05941) is a negative for
    every pixel: ``mean softplus(z)``. With ``positive`` it is the binary cross-entropy of a class
    such as SSUL's unknown.

    Args:
        logits: Scores of auxiliary channels, shape ``(N, A, H, W)``; summed over A.
        positive: Pixels whose answer is yes, boolean, shape ``(N, H, W)``; None for nowhere.
        ignored: Pixels left out of the sum and of the mean, boolean, ``(N, H, W)``.

    Returns:
        A scalar.
    """
    logits = at_least_float32(logits)
    loss = F.softplus(logits)
    if positive is not None:
        loss = loss - logits * positive.unsqueeze(1)
    loss = loss.sum(1)
    if ignored is None:
        return loss.mean()
    return loss.masked_fill(ignored, 0).sum() / mean_count(~ignored)
