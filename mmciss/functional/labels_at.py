"""Labels at the resolution of a feature map."""

from __future__ import annotations

import torch
from torch import Tensor


def labels_at(labels: Tensor, size: tuple[int, ...], centre: bool = False) -> Tensor:
    """Downsamples labels by nearest neighbour, without going through floating point.

    The rule is that of ``torch.nn.functional.interpolate(mode='nearest')``: row ``i`` of ``h`` takes row ``floor(i * H
    / h)``.

    Args:
        labels: Any integer or boolean map, shape ``(N, H, W)``.
        size: Height and width ``(h, w)``.
        centre: Whether row ``i`` takes the row in the middle of those it stands for, ``floor((2 i + 1) H / 2 h)``.

    Returns:
        Shape ``(N, h, w)``; the input itself if it already has the size.
    """
    if tuple(labels.shape[-2:]) == tuple(size):
        return labels
    rows, columns = (
        sampled_places(old, new, labels.device, centre) for old, new in zip(labels.shape[-2:], size, strict=True)
    )
    return labels[:, rows[:, None], columns]


def sampled_places(old: int, new: int, device: torch.device, centre: bool = False) -> Tensor:
    """Returns the indices of the ``new`` rows among the ``old`` ones, shape ``(new,)``."""
    if centre:
        return (2 * torch.arange(new, device=device) + 1) * old // (2 * new)
    return torch.arange(new, device=device) * old // new
