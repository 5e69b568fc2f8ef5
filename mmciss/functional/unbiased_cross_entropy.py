"""Cross-entropy in which the label "background" means "background or any old class"."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from .reduction import reduce_pixels
from .split_logsumexp import split_logsumexp


def unbiased_cross_entropy(
    logits: Tensor,
    target: Tensor,
    num_old: int,
    ignore_index: int = 255,
    reduction: str = 'pixel_mean',
    weight: Tensor | None = None,
    align_corners: bool = False,
) -> Tensor:
    r"""Computes the unbiased cross-entropy of MiB (CVPR 2020, arXiv 2002.00718).

    With ``p = softmax(logits)`` a pixel labelled ``y`` costs

    .. math:: -\log \sum_{c < num\_old} p_c \;\text{ if } y < num\_old, \qquad
              -\log p_y \;\text{ else},

    because the labels of a step call everything but its new classes background. ``num_old`` of 0 or
    1 gives the ordinary cross-entropy.

    Args:
        logits: Scores of all classes seen so far, shape ``(N, C, H, W)``. Scores of another
            size than the labels are upsampled bilinearly, without a map of that size being made.
        target: Channels or ``ignore_index``, shape ``(N, H, W)``. Any old channel counts as
            background.
        num_old: Number of old channels, background included.
        ignore_index: Label of pixels that cost nothing.
        reduction: ``'none'``, ``'pixel_mean'`` (the paper's) or ``'valid_mean'``, see
            :func:`~mmciss.functional.reduction.reduce_pixels`.
        weight: Factor of every pixel, broadcastable to ``(N, H, W)``.
        align_corners: How scores are upsampled.

    Returns:
        A scalar, or ``(N, H, W)`` for ``'none'``.

    Examples:
        >>> logits = torch.zeros(1, 4, 1, 2)
        >>> target = torch.tensor([[[0, 3]]])
        >>> unbiased_cross_entropy(logits, target, 3, reduction='none').exp()
        tensor([[[1.3333, 4.0000]]])
    """
    ignored = target == ignore_index
    is_old = (target < num_old) & ~ignored
    nothing_new = ignored | is_old
    label = target.masked_fill(nothing_new, min(num_old, logits.shape[1] - 1))
    old, new, own = split_logsumexp(logits, label, num_old, align_corners)
    if num_old == 0:
        loss = new - own
    elif num_old == logits.shape[1]:
        loss = old * 0
    else:
        # Two sums over disjoint channels: softplus(new - old) keeps its digits where the old
        # classes hold nearly all probability. And log p_y = log p_new + log p_(y | new).
        odds = new - old
        loss = F.softplus(torch.where(is_old, odds, -odds)) + (new - own).masked_fill(nothing_new, 0)
    return reduce_pixels(loss.masked_fill(ignored, 0), target, reduction, ignore_index, weight)
