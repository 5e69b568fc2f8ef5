"""The channels that score highest."""

from __future__ import annotations

import torch
from torch import Tensor


def select_channels(scores: Tensor, fraction: float = 0.25) -> Tensor:
    """Marks the top fraction of channels, as AWT does (WACV 2023, arXiv 2210.07207).

    Args:
        scores: Shape ``(D,)``, or ``(K, D)`` for one choice per class.
        fraction: Part of the channels to choose, rounded to a whole number and at least one: of 256
            channels 26, 64, 128 and 192 for 0.1, 0.25, 0.5 and 0.75.

    Returns:
        Boolean mask of the same shape. Equal scores are chosen in channel order.

    Raises:
        ValueError: If ``fraction`` is outside ``(0, 1]``.
    """
    if not 0 < fraction <= 1:
        raise ValueError(f'fraction: {fraction} is not in (0, 1]')
    count = max(1, round(fraction * scores.shape[-1]))
    best = scores.argsort(dim=-1, descending=True, stable=True)[..., :count]
    return torch.zeros_like(scores, dtype=torch.bool).scatter(-1, best, True)
