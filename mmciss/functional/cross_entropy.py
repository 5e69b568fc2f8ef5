"""Cross-entropies that know which classes are old: of MiB and GSC."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from .numerics import at_least_float32
from .pixel_loss import LOG_SUM_EXP, channel_totals, reduce_pixels
from .processes import sum_over_processes


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


ACTIVATIONS = ('sigmoid', 'softmax')


def gradient_compensation(
    logits: Tensor,
    target: Tensor,
    step_of_class: Sequence[int] | Tensor,
    num_old: int,
    ignore_index: int = 255,
    power: bool = True,
    activation: str = 'sigmoid',
) -> Tensor:
    r"""Computes the step-aware gradient compensation of GSC (IEEE TMM 2024, arXiv 2307.10822).

    With ``p`` the probability of a pixel's own label and ``G_k`` the pixels whose label was learned in step k:

    .. math:: g_i = |p_i - 1|^{C_{old} / C}, \qquad
              w_i = g_i \Big/ \operatorname{mean}_{j \in G_{k(i)}} g_j

    for labels of old steps, and ``w_i = 1`` for the newest ones. So the pixels of each old step weigh 1 on average, and
    within a step the worst-learned ones weigh most.

    Certain from the abstract: gradients are re-weighted per step to balance forgetting. The form of g, its mean over
    the batch and the exponent come from related code of the same authors, not from the paper's equations, which could
    not be checked; that code's overlapping groups for the third and later steps are taken for a mistake and not
    reproduced.

    Args:
        logits: Scores, shape ``(N, C, H, W)``; the weights carry no gradient.
        target: Channels or ``ignore_index``, shape ``(N, H, W)``, pseudo labels included.
        step_of_class: Step in which each channel was learned, C values; background counts as 0.
        num_old: Number of old channels, background included.
        ignore_index: Label of pixels that get weight 0.
        power: Whether to apply the exponent ``C_old / C``.
        activation: ``'sigmoid'`` (the related code's) or ``'softmax'``.

    Returns:
        Weights, shape ``(N, H, W)``.

    Raises:
        ValueError: If ``activation`` is unknown.
    """
    if activation not in ACTIVATIONS:
        raise ValueError(f'activation: unknown value {activation!r}. Allowed: {", ".join(ACTIVATIONS)}.')
    with torch.no_grad():
        logits = at_least_float32(logits)
        ignored = target == ignore_index
        label = target.masked_fill(ignored, 0)
        score = logits.gather(1, label.unsqueeze(1)).squeeze(1)
        if activation == 'sigmoid':
            size = torch.sigmoid(-score)
        else:
            size = -torch.expm1(score - torch.logsumexp(logits, 1))
        if power:
            size = size ** (num_old / logits.shape[1])
        compensated = ~ignored & (label < num_old)
        steps = torch.as_tensor(step_of_class, device=target.device)
        mean = _mean_by_group(size, steps[label], compensated, int(steps.max()) + 1)
        # A group whose gradients are all 0 is learned: nothing to balance.
        weight = torch.where(mean > 0, size / mean.masked_fill(mean <= 0, 1), torch.ones_like(size))
        return torch.where(compensated, weight, 1.0).masked_fill(ignored, 0)


def _mean_by_group(values: Tensor, group: Tensor, chosen: Tensor, num_groups: int) -> Tensor:
    """Returns for each pixel the mean of the chosen values of its group, shape of ``values``."""
    index = group.masked_fill(~chosen, num_groups).flatten()
    # float64: a batch holds millions of pixels.
    flat = values.flatten().double()
    zeros = flat.new_zeros(num_groups + 1)
    sums, counts = (sum_over_processes(zeros.index_add(0, index, x)) for x in (flat, torch.ones_like(flat)))
    return (sums / counts.clamp(min=1)).to(values)[index].view_as(values)
