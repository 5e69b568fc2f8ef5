"""Features concentrate on few channels."""
from __future__ import annotations

import torch
from torch import Tensor

from .class_features import one_hot_at
from .precision import at_least_float32


def feature_sparsity(features: Tensor,
                     labels: Tensor,
                     prototypes: Tensor,
                     compat: bool = False) -> Tensor:
    r"""Computes the sparsity loss of SDR (CVPR 2021, arXiv 2103.06342).

    With ``g_i = f_i / max`` the feature of pixel i over the largest value of its class in the
    batch:

    .. math:: L = \operatorname{mean}_i \frac{\sum_d \exp(g_{i,d})}{\sum_d g_{i,d}}

    Args:
        features: Non-negative, shape ``(N, D, h, w)``.
        labels: Channels or 255, shape ``(N, H, W)``.
        prototypes: Shape ``(C, D)``; only the number of classes is taken from it.
        compat: The release averages over all pixels, takes 255 for a class of its own and divides
            by ``1e-15`` at a pixel whose features are all 0. By default such pixels and ignored
            ones take no part.

    Returns:
        A scalar, 0 where no pixel takes part.
    """
    features = at_least_float32(features)
    num_classes = prototypes.shape[0]
    member = one_hot_at(labels, num_classes, features.shape[-2:])
    outside = ~member.any(1)  # (N, h * w)
    chosen = member.to(torch.uint8).argmax(1).masked_fill(outside, num_classes)
    flat = features.flatten(2)
    highest = flat.amax(1).flatten()
    largest = highest.new_full((num_classes + 1, ), -torch.inf)
    largest = largest.scatter_reduce(0, chosen.flatten(), highest, 'amax')
    scaled = flat / (largest[chosen].unsqueeze(1) + 1e-15)
    total = scaled.sum(1)
    if compat:
        ratio = scaled.exp().sum(1) / (total + 1e-15)
        return ratio.mean() * (total.sum() > 0)
    valid = ~outside & (total > 1e-6)
    ratio = scaled.masked_fill(~valid.unsqueeze(1), 0).exp().sum(1) / total.masked_fill(~valid, 1)
    return (ratio * valid).sum() / valid.sum().clamp(min=1)
