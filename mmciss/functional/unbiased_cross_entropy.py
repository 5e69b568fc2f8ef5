"""Cross-entropy in which the label "background" means "background or any old class"."""
from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from .precision import at_least_float32
from .reduction import reduce_pixels


def unbiased_cross_entropy(logits: Tensor,
                           target: Tensor,
                           num_old: int,
                           ignore_index: int = 255,
                           reduction: str = 'pixel_mean',
                           weight: Tensor | None = None) -> Tensor:
    r"""Computes the unbiased cross-entropy of MiB (CVPR 2020, arXiv 2002.00718).

    With ``p = softmax(logits)`` a pixel labelled ``y`` costs

    .. math:: -\log \sum_{c < num\_old} p_c \;\text{ if } y < num\_old, \qquad
              -\log p_y \;\text{ else},

    because the labels of a step call everything but its new classes background. ``num_old`` of 0 or
    1 gives the ordinary cross-entropy.

    Args:
        logits: Scores of all classes seen so far, shape ``(N, C, H, W)``.
        target: Channels or ``ignore_index``, shape ``(N, H, W)``. Any old channel counts as
            background.
        num_old: Number of old channels, background included.
        ignore_index: Label of pixels that cost nothing.
        reduction: ``'none'``, ``'pixel_mean'`` (the paper's) or ``'valid_mean'``, see
            :func:`~mmciss.functional.reduction.reduce_pixels`.
        weight: Factor of every pixel, broadcastable to ``(N, H, W)``.

    Returns:
        A scalar, or ``(N, H, W)`` for ``'none'``.

    Examples:
        >>> logits = torch.zeros(1, 4, 1, 2)
        >>> target = torch.tensor([[[0, 3]]])
        >>> unbiased_cross_entropy(logits, target, 3, reduction='none').exp()
        tensor([[[1.3333, 4.0000]]])
    """
    logits = at_least_float32(logits)
    # Two logsumexps over disjoint slices: as much memory as one over all channels, and
    # softplus(new - old) keeps its digits where the old classes hold nearly all probability.
    old = torch.logsumexp(logits[:, :num_old], 1)
    new = torch.logsumexp(logits[:, num_old:], 1)
    is_old = target < num_old
    ignored = target == ignore_index
    if num_old == 0:
        loss = new - _logit_of(logits, target.masked_fill(ignored, 0))
    elif num_old == logits.shape[1]:
        loss = 0 * old
    else:
        label = target.masked_fill(ignored | is_old, num_old)
        loss_new = torch.logaddexp(old, new) - _logit_of(logits, label)
        loss = torch.where(is_old, F.softplus(new - old), loss_new)
    return reduce_pixels(loss.masked_fill(ignored, 0), target, reduction, ignore_index, weight)


def _logit_of(logits: Tensor, label: Tensor) -> Tensor:
    """Picks the logit of each pixel's label, shape ``(N, H, W)``."""
    return logits.gather(1, label.unsqueeze(1)).squeeze(1)
