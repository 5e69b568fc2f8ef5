"""Distillation in which the label says which new class the teacher took for background."""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor

from .channels import check_old_channels
from .labels_at import labels_at
from .pixel_loss import pixel_losses
from .reduction import reduce_pixels


def label_guided_distillation(
    logits: Tensor,
    teacher_logits: Tensor,
    target: Tensor,
    prev_weight: float = 1.0,
    novel_weight: float = 1.0,
    alpha: float = 1.0,
    ignore_index: int = 255,
    size: tuple[int, ...] | None = None,
    align_corners: bool = False,
) -> Tensor:
    r"""Computes the label-guided distillation of LGKD (ICCV 2023).

    With ``\hat p = softmax(alpha * teacher_logits)`` over ``C_old`` channels, ``p = softmax(logits)`` over all, and the
    label ``y`` of a pixel, a new class takes over the teacher's background where it is labelled:

    .. math:: q = (0, \hat p_1, \dots, \hat p_{C_{old} - 1}, 0, \dots, q_y = \hat p_0, \dots, 0)
              \;\text{ if } y \ge C_{old}, \qquad q = (\hat p, 0, \dots, 0) \;\text{ else},

    .. math:: L = \operatorname{mean}_{y \ne ignore} \lambda(y) \Big(- \sum_c q_c \log p_c \Big)

    The mean is over the pixels of both kinds together, whatever their weights, and over all processes. It is not
    divided by the number of classes.

    Args:
        logits: Student scores, shape ``(N, C, h, w)``, old channels first.
        teacher_logits: Teacher scores, shape ``(N, C_old, h, w)``.
        target: Channels or ``ignore_index``, shape ``(N, H, W)``. Any label that is no new channel is an old one. Taken
            by nearest neighbour where scores are compared at another size.
        prev_weight: Factor of pixels without a new class.
        novel_weight: Factor of pixels of a new class.
        alpha: Factor on the teacher's logits; above 1 makes its targets harder.
        ignore_index: Label of pixels that are left out.
        size: Height and width to which both scores are upsampled first, without a map of that size being made; None to
            compare them as they are.
        align_corners: How they are upsampled.

    Returns:
        A scalar; 0 if every pixel is ignored.

    Raises:
        ValueError: If the student has fewer channels than the teacher.
    """
    num_old = check_old_channels(logits, teacher_logits)
    target = labels_at(target, tuple(logits.shape[-2:]) if size is None else size)
    formula = partial(
        _cross_entropy,
        num_old=num_old,
        prev_weight=prev_weight,
        novel_weight=novel_weight,
        alpha=alpha,
        ignore_index=ignore_index,
    )
    loss = pixel_losses(formula, logits, (teacher_logits, target), size, align_corners)
    return reduce_pixels(loss, target, 'valid_mean', ignore_index)


def _cross_entropy(
    scores: Tensor,
    teacher: Tensor,
    target: Tensor,
    num_old: int,
    prev_weight: float,
    novel_weight: float,
    alpha: float,
    ignore_index: int,
) -> Tensor:
    q = (teacher * alpha).softmax(0)
    log_p = scores.log_softmax(0)
    is_new = (target >= num_old) & (target < len(scores)) & (target != ignore_index)
    takes_background = log_p.gather(0, target.where(is_new, 0).unsqueeze(0))[0]
    loss = -(q[0] * takes_background + (q[1:] * log_p[1:num_old]).sum(0))
    weight = torch.where(is_new, novel_weight, prev_weight).masked_fill(target == ignore_index, 0)
    return weight.to(loss) * loss
