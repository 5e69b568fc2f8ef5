"""GSC's semantic relation distillation: soft targets over all classes, and sharp predictions."""

from __future__ import annotations

import math
from functools import partial

from torch import Tensor

from .pixel_loss import mean_pixel_loss


def soft_relation(
    logits: Tensor,
    teacher_logits: Tensor,
    target: Tensor,
    num_old: int,
    size: tuple[int, ...] | None = None,
    align_corners: bool = False,
) -> Tensor:
    r"""Computes the soft half of GSC's semantic relation distillation (arXiv 2307.10822).

    The soft target joins the teacher's probabilities of old classes with the label of new ones:

    .. math:: q = \operatorname{softmax}\left( [\sigma(\hat z)\,;\,
              onehot(y)_{c \ge C_{old}}] \right), \\
              L = -\operatorname{mean}_{n,h,w} \frac{1}{C} \sum_c q_c \log p_c

    with ``p = softmax(logits)``. No pixel is masked: an ignored or old label has no one-hot entry.

    Certain from the abstract: soft labels carry inter-class relations from the old model. The formula comes from two
    related code bases of the same authors, which agree; the paper's equations could not be checked.

    Args:
        logits: Scores of all classes, shape ``(N, C, H, W)``.
        teacher_logits: Teacher scores, shape ``(N, C_old, H, W)``.
        target: Channels, or any label outside the new channels, shape ``(N, H, W)``.
        num_old: Number of old channels, background included.
        size: Height and width to which both are upsampled first, without a map of that size being made; None to compare
            them as they are.
        align_corners: How they are upsampled.

    Returns:
        A scalar.
    """
    formula = partial(_soft_of_pixels, num_old=num_old)
    loss = mean_pixel_loss(formula, logits, (teacher_logits, target), size, align_corners)
    return loss / logits.shape[1]


def _soft_of_pixels(scores: Tensor, teacher: Tensor, target: Tensor, num_old: int) -> Tensor:
    """Returns ``C`` times the loss of each pixel."""
    log_p = scores.log_softmax(0)
    is_new = (target >= num_old) & (target < len(scores))
    own = log_p.gather(0, target.masked_fill(~is_new, 0).unsqueeze(0))[0]
    # exp(0) for each new channel, exp(1) for the labelled one: no one-hot tensor.
    q_old = teacher.sigmoid().exp()
    bonus = is_new * (math.e - 1)
    norm = q_old.sum(0) + bonus + (len(scores) - num_old)
    return -((q_old * log_p[:num_old]).sum(0) + log_p[num_old:].sum(0) + bonus * own) / norm


def sharp_relation(logits: Tensor, size: tuple[int, ...] | None = None, align_corners: bool = False) -> Tensor:
    r"""Computes the sharp half of GSC's semantic relation distillation (arXiv 2307.10822).

    .. math:: L = -\operatorname{mean}_{n,h,w} \frac{1}{C} \sum_c p_c \log p_c

    the entropy of the prediction divided by the number of classes. For its source see :func:`soft_relation`.

    Args:
        logits: Scores, shape ``(N, C, H, W)``.
        size: Height and width to which they are upsampled first, without a map of that size being made; None to take
            them as they are.
        align_corners: How they are upsampled.

    Returns:
        A scalar.
    """
    return mean_pixel_loss(_entropy, logits, (), size, align_corners) / logits.shape[1]


def _entropy(scores: Tensor) -> Tensor:
    log_p = scores.log_softmax(0)
    return -(log_p.exp() * log_p).sum(0)
