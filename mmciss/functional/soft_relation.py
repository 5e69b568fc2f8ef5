"""Distillation of how classes relate, and sharpening of predictions."""

from __future__ import annotations

import math
from functools import partial

import torch
from torch import Tensor

from .exponentials import exponentials
from .pixel_loss import mean_pixel_loss


def soft_relation(
    logits: Tensor,
    teacher_logits: Tensor,
    target: Tensor,
    num_old: int,
    size: tuple[int, int] | None = None,
    align_corners: bool = False,
) -> Tensor:
    r"""Computes the soft half of GSC's semantic relation distillation (arXiv 2307.10822).

    The soft target joins the teacher's probabilities of old classes with the label of new ones:

    .. math:: q = \operatorname{softmax}\left( [\sigma(\hat z)\,;\,
              onehot(y)_{c \ge C_{old}}] \right), \\
              L = -\operatorname{mean}_{n,h,w} \frac{1}{C} \sum_c q_c \log p_c

    with ``p = softmax(logits)``. No pixel is masked: an ignored or old label has no one-hot entry.

    Certain from the abstract: soft labels carry inter-class relations from the old model. The
    formula comes from two related code bases of the same authors, which agree; the paper's
    equations could not be checked.

    Args:
        logits: Scores of all classes, shape ``(N, C, H, W)``.
        teacher_logits: Teacher scores, shape ``(N, C_old, H, W)``.
        target: Channels, or any label outside the new channels, shape ``(N, H, W)``.
        num_old: Number of old channels, background included.
        size: Height and width to which both are upsampled first, without a map of that size being
            made; None to compare them as they are.
        align_corners: How they are upsampled.

    Returns:
        A scalar.
    """
    rule = partial(_soft_of_pixels, num_old=num_old)
    loss = mean_pixel_loss(rule, logits, (teacher_logits, target), size, align_corners)
    return loss / logits.shape[1]


def _soft_of_pixels(
    scores: Tensor, teacher: Tensor, label: Tensor, scratch: Tensor, upstream: Tensor | None, num_old: int
) -> tuple[Tensor, Tensor | None]:
    """Computes ``C`` times the loss of P pixels and its derivative, see ``PixelRule``."""
    num_classes = len(scores)
    q_old = teacher.sigmoid_().exp_()  # not yet normalised
    is_new = (label >= num_old) & (label < num_classes)
    label = label.masked_fill(~is_new, 0).unsqueeze(0)
    # exp(0) for each new channel, exp(1) for the labelled one: no one-hot tensor.
    bonus = is_new * (math.e - 1)
    norm = q_old.sum(0).add_(bonus + (num_classes - num_old))
    matched = torch.mul(q_old, scores[:num_old], out=scratch[:num_old]).sum(0)
    matched += scores[num_old:].sum(0) + bonus * scores.gather(0, label)[0]
    student = exponentials(scores)
    loss = student.logsumexp() - matched / norm
    if upstream is None:
        return loss, None
    share = upstream / norm
    student.values.mul_(upstream / student.total)
    scores[:num_old].addcmul_(q_old, share, value=-1)
    scores[num_old:].sub_(share)
    return loss, scores.scatter_add_(0, label, (bonus * -share).unsqueeze(0))


def sharp_relation(logits: Tensor, size: tuple[int, int] | None = None, align_corners: bool = False) -> Tensor:
    r"""Computes the sharp half of GSC's semantic relation distillation (arXiv 2307.10822).

    .. math:: L = -\operatorname{mean}_{n,h,w} \frac{1}{C} \sum_c p_c \log p_c

    the entropy of the prediction over the number of classes. Its source is that of
    :func:`soft_relation`.

    Args:
        logits: Scores, shape ``(N, C, H, W)``.
        size: Height and width to which they are upsampled first, without a map of that size being
            made; None to take them as they are.
        align_corners: How they are upsampled.

    Returns:
        A scalar.
    """
    loss = mean_pixel_loss(_sharp_of_pixels, logits, (), size, align_corners)
    return loss / logits.shape[1]


def _sharp_of_pixels(scores: Tensor, scratch: Tensor, upstream: Tensor | None) -> tuple[Tensor, Tensor | None]:
    """Computes ``C`` times the loss of P pixels and its derivative, see ``PixelRule``."""
    student = exponentials(scores, out=scratch)
    share = student.values.div_(student.total)
    log_p = scores.sub_(student.logsumexp())
    loss = -(share * log_p).sum(0)
    if upstream is None:
        return loss, None
    # d/dz_c of -sum p log p
    return loss, log_p.add_(loss).mul_(share).mul_(-upstream)
