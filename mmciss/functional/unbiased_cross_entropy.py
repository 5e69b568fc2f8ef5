"""Cross-entropy in which the label "background" means "background or any old class"."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from .pixel_loss import LOG_SUM_EXP, channel_totals, reduce_pixels


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

    because everything but the new classes of a step is labelled background. ``num_old`` of 0 or 1 gives the ordinary
    cross-entropy.

    Args:
        logits: Scores of all classes seen so far, shape ``(N, C, H, W)``. Scores of another size than the labels are
            upsampled bilinearly, without a map of that size being made.
        target: Channels or ``ignore_index``, shape ``(N, H, W)``. Any old channel counts as background.
        num_old: Number of old channels, background included.
        ignore_index: Label of pixels that cost nothing.
        reduction: ``'none'``, ``'pixel_mean'`` (the paper's) or ``'valid_mean'``, see
            :func:`~mmciss.functional.pixel_loss.reduce_pixels`.
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
    is_new = (target >= num_old) & ~ignored
    num_new = logits.shape[1] - num_old
    # Pixels without a new class need some valid channel.
    label = target.masked_fill(~is_new, num_old if num_new else 0)
    own, any_old, any_new = channel_totals(LOG_SUM_EXP, logits, label, (num_old, num_new), align_corners)
    # log p_y = log p_new + log p_(y | new)
    within = (any_new - own).masked_fill(~is_new, 0)
    # Two sums over disjoint channels: softplus(new - old) keeps its digits where the old classes hold nearly all
    # probability.
    odds = any_new - any_old
    loss = (F.softplus(torch.where(is_new, -odds, odds)) + within).masked_fill(ignored, 0)
    return reduce_pixels(loss, target, reduction, ignore_index, weight)
