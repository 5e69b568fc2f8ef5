"""Binary cross-entropy of new classes only."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from .precision import at_least_float32


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

    Every pixel with another label is a negative example for a class. No one-hot tensor is made.

    Args:
        logits: Scores, shape ``(N, C, H, W)``; channel k is that of label k.
        target: Labels, shape ``(N, H, W)``.
        class_ids: The new classes' labels, without repetition.
        pos_weight: Factor of positive examples.
        ignore_index: Label of pixels that cost nothing. DKD has none: there void pixels are
            negative examples too.
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
