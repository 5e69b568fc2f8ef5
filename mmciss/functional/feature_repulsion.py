"""Mean features of different classes keep a distance."""

from __future__ import annotations

import torch
from torch import Tensor

from .class_features import class_sums


def feature_repulsion(features: Tensor, labels: Tensor, prototypes: Tensor, compat: bool = False) -> Tensor:
    r"""Computes the repulsive half of SDR's contrastive learning (arXiv 2103.06342).

    .. math:: L = \operatorname{mean}_{i \ne j \in K} \frac{1}{\| \bar f_i - \bar f_j \|_2}

    over the classes K that occur in the batch, with their mean features in the batch.

    Args:
        features: Shape ``(N, D, h, w)``.
        labels: Channels or 255, shape ``(N, H, W)``.
        prototypes: Shape ``(C, D)``; only the number of classes is taken from it.
        compat: Whether to mix the dimensions of features as the release does.

    Returns:
        A scalar, 0 with fewer than two classes. Pairs of equal means take no part.
    """
    found = class_sums(features, labels, prototypes.shape[0], compat).over_processes()
    distance = torch.cdist(found.means, found.means, compute_mode='donot_use_mm_for_euclid_dist')
    pair = found.present[:, None] & found.present & (distance > 0)
    # Dividing by 1 outside the pairs keeps infinities, and their NaN gradients, away.
    inverse = distance.masked_fill(~pair, 1.0).reciprocal() * pair
    return inverse.sum() / pair.sum().clamp(min=1)
