"""Features of a class gather around its prototype."""
from __future__ import annotations

import torch
from torch import Tensor

from .class_features import one_hot_at, released_dimension
from .precision import at_least_float32


def feature_attraction(features: Tensor,
                       labels: Tensor,
                       prototypes: Tensor,
                       include_background: bool = True,
                       compat: bool = False) -> Tensor:
    r"""Computes the attractive half of SDR's contrastive learning (arXiv 2103.06342).

    .. math:: L = \frac{1}{|K|} \sum_{c \in K} \frac{1}{n_c} \sum_{i : y_i = c}
              \frac{1}{D} \| f_i - P_c \|_2^2

    over the classes K that occur in the batch, with ``n_c`` pixels each.

    Args:
        features: Shape ``(N, D, h, w)``.
        labels: Channels or 255, shape ``(N, H, W)``.
        prototypes: Shape ``(C, D)``; no gradient flows into them.
        include_background: Whether class 0 takes part. It should not where no prototype of the
            background is kept: its zero vector would pull background features towards 0.
        compat: Whether to mix dimensions and to divide by ``|K|`` inside the sum, as the release
            does: the i-th of the classes present, in ascending order, weighs ``|K|^(i - |K| - 1)``.

    Returns:
        A scalar, 0 where no class is present.
    """
    features = at_least_float32(features)
    member = one_hot_at(labels, prototypes.shape[0], features.shape[-2:])
    if not include_background:
        member[:, 0] = False
    counts = member.sum((0, 2))
    present = counts > 0
    number = present.sum().clamp(min=1)
    centre = prototypes.detach().to(features)
    chosen = member.to(torch.uint8).argmax(1)  # (N, h * w)
    if compat:
        dimension = released_dimension(features, member, by_pixel=False)
        own = centre.flatten()[chosen.unsqueeze(1) * centre.shape[1] + dimension]
        share = number.double()**(present.cumsum(0) - number - 1)
    else:
        own = centre[chosen].transpose(1, 2)
        share = present / number
    distance = (features.flatten(2) - own).square().mean(1)  # (N, h * w)
    weight = (share * present / counts.clamp(min=1)).to(distance)
    return (distance * weight[chosen] * member.any(1)).sum()
