"""One yes-or-no question per channel, summed over channels."""
from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from .precision import at_least_float32
from .reduction import reduce_pixels


def binary_cross_entropy(logits: Tensor,
                         target: Tensor,
                         ignore_index: int = 255,
                         reduction: str = 'valid_mean',
                         weight: Tensor | None = None,
                         negative_index: int | None = None) -> Tensor:
    r"""Computes sigmoid cross-entropy with one-hot targets, summed over channels.

    A pixel labelled ``y`` costs ``sum_c softplus(z_c) - z_y``, which is the sum over all channels
    of the binary cross-entropy; no one-hot tensor is made. SSUL (NeurIPS 2021, arXiv 2106.11562)
    averages it over valid pixels, LwF-MC (the segmentation form of iCaRL's classifier, arXiv
    1611.07725) over all pixels.

    Args:
        logits: Scores, shape ``(N, C, H, W)``.
        target: Channels or ``ignore_index``, shape ``(N, H, W)``.
        ignore_index: Label of pixels that cost nothing.
        reduction: ``'valid_mean'`` (SSUL), ``'pixel_mean'`` (LwF-MC) or ``'none'``.
        weight: Factor of every pixel, broadcastable to ``(N, H, W)``.
        negative_index: Label of pixels that belong to none of the channels and so are a negative
            example for every one of them.

    Returns:
        A scalar, or ``(N, H, W)`` for ``'none'``.

    Examples:
        >>> logits = torch.zeros(1, 3, 1, 2)
        >>> binary_cross_entropy(logits, torch.tensor([[[1, 255]]])) / torch.tensor(2.).log()
        tensor(3.)
    """
    logits = at_least_float32(logits)
    ignored = target == ignore_index
    unlabelled = ignored if negative_index is None else ignored | (target == negative_index)
    positive = logits.gather(1, target.masked_fill(unlabelled, 0).unsqueeze(1)).squeeze(1)
    loss = F.softplus(logits).sum(1) - positive.masked_fill(unlabelled, 0)
    return reduce_pixels(loss.masked_fill(ignored, 0), target, reduction, ignore_index, weight)
