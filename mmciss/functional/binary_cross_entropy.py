"""Sigmoid cross-entropy: one yes-or-no question per channel."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from .numerics import at_least_float32
from .pixel_loss import SOFTPLUS, channel_totals, reduce_pixels
from .processes import mean_count


def binary_cross_entropy(
    logits: Tensor,
    target: Tensor,
    ignore_index: int = 255,
    reduction: str = 'valid_mean',
    negative_index: int | None = None,
    align_corners: bool = False,
) -> Tensor:
    r"""Computes sigmoid cross-entropy with one-hot targets, summed over channels.

    A pixel labelled ``y`` costs ``sum_c softplus(z_c) - z_y``, the binary cross-entropy summed over all channels,
    without a one-hot tensor. SSUL (NeurIPS 2021, arXiv 2106.11562) averages it over valid pixels, LwF-MC (the
    segmentation form of iCaRL's classifier, arXiv 1611.07725) over all pixels.

    Args:
        logits: Scores, shape ``(N, C, H, W)``. Scores of another size than the labels are upsampled bilinearly, without
            a map of that size being made.
        target: Channels or ``ignore_index``, shape ``(N, H, W)``.
        ignore_index: Label of pixels that cost nothing.
        reduction: ``'valid_mean'`` (SSUL), ``'pixel_mean'`` (LwF-MC) or ``'none'``.
        negative_index: Label of pixels of no channel, which are negative examples for all of them.
        align_corners: How scores are upsampled.

    Returns:
        A scalar, or ``(N, H, W)`` for ``'none'``.

    Examples:
        >>> logits = torch.zeros(1, 3, 1, 2)
        >>> binary_cross_entropy(logits, torch.tensor([[[1, 255]]])) / torch.tensor(2.).log()
        tensor(3.)
    """
    ignored = target == ignore_index
    negative = ignored if negative_index is None else ignored | (target == negative_index)
    label = target.masked_fill(negative, 0)
    own, total = channel_totals(SOFTPLUS, logits, label, (logits.shape[1],), align_corners)
    loss = (total - own.masked_fill(negative, 0)).masked_fill(ignored, 0)
    return reduce_pixels(loss, target, reduction, ignore_index)


def new_class_bce(
    logits: Tensor,
    target: Tensor,
    class_ids: Sequence[int],
    pos_weight: float = 1.0,
    ignore_index: int | None = None,
    reduction: str = 'mean',
) -> Tensor:
    r"""Computes the classification loss of DKD (NeurIPS 2022, arXiv 2210.05941).

    .. math:: L = \sum_{k \in class\_ids} \operatorname{mean}_{n,h,w}
              \left[ w\,[y = k] \operatorname{softplus}(-z_k)
              + [y \ne k] \operatorname{softplus}(z_k) \right]

    A pixel is a negative example for every class but its own. No one-hot tensor is made.

    Args:
        logits: Scores, shape ``(N, C, H, W)``; channel k is that of label k.
        target: Labels, shape ``(N, H, W)``.
        class_ids: The new classes' labels, without repetition.
        pos_weight: Factor of positive examples.
        ignore_index: Label of pixels that cost nothing. None, as in DKD, makes void pixels negative examples too.
        reduction: ``'mean'`` over all pixels, or ``'none'``.

    Returns:
        A scalar, or ``(N, H, W)`` for ``'none'``.

    Raises:
        ValueError: If a class has no channel, or ``reduction`` is unknown.
    """
    ids = [int(k) for k in class_ids]
    if any(not 0 <= k < logits.shape[1] for k in ids):
        raise ValueError(f'class_ids: {ids} are not all channels of {logits.shape[1]}')
    if reduction not in ('mean', 'none'):
        raise ValueError(f'reduction: unknown value {reduction!r}. Allowed: mean, none.')
    logits = at_least_float32(logits)
    # A slice of neighbouring channels is a view; any other choice copies.
    neighbours = bool(ids) and ids == list(range(ids[0], ids[0] + len(ids)))
    chosen = logits[:, ids[0] : ids[0] + len(ids)] if neighbours else logits[:, ids]
    positive = torch.isin(target, torch.tensor(ids, dtype=target.dtype, device=target.device))
    own = logits.gather(1, target.masked_fill(~positive, 0).unsqueeze(1)).squeeze(1)
    correction = pos_weight * F.softplus(-own) - F.softplus(own)
    loss = F.softplus(chosen).sum(1) + correction.masked_fill(~positive, 0)
    if ignore_index is not None:
        loss = loss.masked_fill(target == ignore_index, 0)
    return loss.mean() if reduction == 'mean' else loss


def auxiliary_classifier_loss(logits: Tensor, positive: Tensor | None = None, ignored: Tensor | None = None) -> Tensor:
    """Trains auxiliary channels towards "no" on every pixel but given ones.

    The auxiliary classifier of DKD (NeurIPS 2022, arXiv 2210.05941) learns "no" everywhere: ``mean softplus(z)``. With
    ``positive`` this is the binary cross-entropy of a class such as SSUL's unknown.

    Args:
        logits: Scores of auxiliary channels, shape ``(N, A, H, W)``; summed over A.
        positive: Pixels whose target is "yes", boolean, shape ``(N, H, W)``; None for no pixel.
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
