"""Distillation of softmax scores: of LwF, MiB and LGKD, and the relations of GSC."""

from __future__ import annotations

import math
from functools import partial

import torch
from torch import Tensor

from .numerics import exp_of_negatives, exponentials
from .pixel_loss import Gradient, mean_pixel_loss, pixel_losses, reduce_pixels
from .resampling import labels_at


def logit_distillation(
    logits: Tensor, teacher_logits: Tensor, size: tuple[int, ...] | None = None, align_corners: bool = False
) -> Tensor:
    r"""Computes the distillation of LwF (ECCV 2016, arXiv 1606.09282) as used in segmentation.

    The student's softmax is restricted to the old channels, ``q = softmax(teacher_logits)``:

    .. math:: L = -\operatorname{mean}_{n,c,h,w}
              q_c \log \operatorname{softmax}(logits_{:C_{old}})_c

    The mean over channels divides by ``C_old``; the temperature is 1. ILT uses the same term.

    Args:
        logits: Student scores, shape ``(N, C, H, W)``, old channels first.
        teacher_logits: Teacher scores, shape ``(N, C_old, H, W)``.
        size: Height and width to which both are upsampled first, without a map of that size being made; None to compare
            them as they are.
        align_corners: How they are upsampled.

    Returns:
        A scalar.

    Raises:
        ValueError: If the student has fewer channels than the teacher.
    """
    num_old = check_old_channels(logits, teacher_logits)
    formula = partial(_cross_entropy, num_old=num_old)
    return mean_pixel_loss(formula, logits, (teacher_logits,), size, align_corners) / num_old


def _cross_entropy(scores: Tensor, teacher: Tensor, num_old: int) -> Tensor:
    return -(teacher.softmax(0) * scores[:num_old].log_softmax(0)).sum(0)


def unbiased_distillation(
    logits: Tensor,
    teacher_logits: Tensor,
    alpha: float = 1.0,
    size: tuple[int, ...] | None = None,
    align_corners: bool = False,
) -> Tensor:
    r"""Computes the unbiased distillation of MiB (CVPR 2020, arXiv 2002.00718).

    With ``q = softmax(alpha * teacher_logits)`` over ``C_old`` channels, ``p = softmax(logits)`` over all, ``u_0 = p_0
    + sum_{c >= C_old} p_c`` and ``u_c = p_c`` for the other old classes:

    .. math:: L = -\operatorname{mean}_{n,h,w} \frac{1}{C_{old}} \sum_{c < C_{old}} q_c \log u_c

    The factor ``1 / C_old`` is part of the published loss. Without new channels the loss is the plain distillation,
    :func:`~mmciss.functional.logit_distillation.logit_distillation`.

    Args:
        logits: Student scores, shape ``(N, C, H, W)``, old channels first.
        teacher_logits: Teacher scores, shape ``(N, C_old, H, W)``.
        alpha: Factor on the teacher's logits; above 1 makes its targets harder.
        size: Height and width to which both are upsampled first, without a map of that size being made; None to compare
            them as they are.
        align_corners: How they are upsampled.

    Returns:
        A scalar.

    Raises:
        ValueError: If the student has fewer channels than the teacher.
    """
    num_old = check_old_channels(logits, teacher_logits)
    derivative = partial(_unbiased_cross_entropy, num_old=num_old, alpha=alpha)

    def formula(scores: Tensor, teacher: Tensor) -> Tensor:
        return derivative(scores, teacher)[0]

    return mean_pixel_loss(formula, logits, (teacher_logits,), size, align_corners, derivative) / num_old


def _unbiased_cross_entropy(scores: Tensor, teacher: Tensor, num_old: int, alpha: float) -> tuple[Tensor, Gradient]:
    """Returns ``C_old`` times the loss of each pixel of a block, and its gradient.

    The derivative is written by hand. Autograd's rounds differently in the last bit, so models trained by earlier
    versions could not be reproduced bit by bit (see docs/performance.md).
    """
    target = exponentials(teacher if alpha == 1 else teacher * alpha)
    # The background and the new classes are summed apart from the old ones: the sum must keep its digits where they are
    # all improbable.
    merged = scores[0]
    if len(scores) > num_old:
        merged = torch.logaddexp(merged, exponentials(scores[num_old:]).logsumexp())
    # sum_c q_c log u_c = sum_c q_c v_c - logsumexp(scores) with v the merged scores: no log-probabilities are made.
    work = torch.empty_like(scores)
    rest = torch.mul(target.values[1:], scores[1:num_old], out=work[1:num_old]).sum(0)
    matched = target.values[0] * merged + rest
    student = exponentials(scores, out=work)

    def gradient(upstream: Tensor) -> Tensor:
        result = student.values.mul_(upstream / student.total)
        factor = upstream / target.total
        result[1:num_old].addcmul_(target.values[1:], factor, value=-1)
        factor = target.values[0] * factor
        for part in (slice(1), slice(num_old, None)):
            result[part].addcmul_(exp_of_negatives(scores[part] - merged), factor, value=-1)
        return result

    return student.logsumexp() - matched / target.total, gradient


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
        _guided_cross_entropy,
        num_old=num_old,
        prev_weight=prev_weight,
        novel_weight=novel_weight,
        alpha=alpha,
        ignore_index=ignore_index,
    )
    loss = pixel_losses(formula, logits, (teacher_logits, target), size, align_corners)
    return reduce_pixels(loss, target, 'valid_mean', ignore_index)


def _guided_cross_entropy(
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


def check_old_channels(student: Tensor, teacher: Tensor) -> int:
    """Returns the number of old channels, the teacher's, once the student is known to extend them.

    Args:
        student: Scores, shape ``(N, C, H, W)``.
        teacher: Scores, shape ``(N, C_old, H, W)``.

    Raises:
        ValueError: If the student has fewer channels, or another batch or spatial size.
    """
    if student.shape[1] < teacher.shape[1] or (
        student.shape[:1] + student.shape[2:] != teacher.shape[:1] + teacher.shape[2:]
    ):
        raise ValueError(
            f'the student scores {tuple(student.shape)} do not extend the teacher scores '
            f'{tuple(teacher.shape)}: batch and spatial size must agree, and the student '
            'must have at least the channels of the teacher'
        )
    return teacher.shape[1]


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
