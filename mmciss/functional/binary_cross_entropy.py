"""One yes-or-no question per channel, summed over channels."""

from __future__ import annotations

from functools import partial

import torch.nn.functional as F
from torch import Tensor

from .pixel_loss import pixel_losses
from .reduction import reduce_pixels


def binary_cross_entropy(
    logits: Tensor,
    target: Tensor,
    ignore_index: int = 255,
    reduction: str = 'valid_mean',
    weight: Tensor | None = None,
    negative_index: int | None = None,
    align_corners: bool = False,
) -> Tensor:
    r"""Computes sigmoid cross-entropy with one-hot targets, summed over channels.

    A pixel labelled ``y`` costs ``sum_c softplus(z_c) - z_y``, which is the sum over all channels
    of the binary cross-entropy; no one-hot tensor is made. SSUL (NeurIPS 2021, arXiv 2106.11562)
    averages it over valid pixels, LwF-MC (the segmentation form of iCaRL's classifier, arXiv
    1611.07725) over all pixels.

    Args:
        logits: Scores, shape ``(N, C, H, W)``. Scores of another size than the labels are upsampled
            bilinearly, without a map of that size being made.
        target: Channels or ``ignore_index``, shape ``(N, H, W)``.
        ignore_index: Label of pixels that cost nothing.
        reduction: ``'valid_mean'`` (SSUL), ``'pixel_mean'`` (LwF-MC) or ``'none'``.
        weight: Factor of every pixel, broadcastable to ``(N, H, W)``.
        negative_index: Label of pixels that belong to none of the channels and so are a negative
            example for every one of them.
        align_corners: How scores are upsampled.

    Returns:
        A scalar, or ``(N, H, W)`` for ``'none'``.

    Examples:
        >>> logits = torch.zeros(1, 3, 1, 2)
        >>> binary_cross_entropy(logits, torch.tensor([[[1, 255]]])) / torch.tensor(2.).log()
        tensor(3.)
    """
    rule = partial(_of_pixels, ignore_index=ignore_index, negative_index=negative_index)
    loss = pixel_losses(rule, logits, (target,), target.shape[-2:], align_corners)
    return reduce_pixels(loss, target, reduction, ignore_index, weight)


def _of_pixels(
    scores: Tensor,
    label: Tensor,
    scratch: Tensor,
    upstream: Tensor | None,
    ignore_index: int,
    negative_index: int | None,
) -> tuple[Tensor | None, Tensor | None]:
    """Computes the loss of P pixels or its derivative, see ``PixelRule``."""
    ignored = label == ignore_index
    unlabelled = ignored if negative_index is None else ignored | (label == negative_index)
    label = label.masked_fill(unlabelled, 0).unsqueeze(0)
    if upstream is not None:
        factor = (upstream * ~ignored).expand(scores.shape[1:])
        scores.sigmoid_().mul_(factor)
        return None, scores.scatter_add_(0, label, (-factor * ~unlabelled).unsqueeze(0))
    positive = scores.gather(0, label)[0].masked_fill_(unlabelled, 0)
    return (F.softplus(scores).sum(0) - positive).masked_fill_(ignored, 0), None
