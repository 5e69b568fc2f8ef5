"""Distillation in which the teacher's background covers the student's new classes."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from .channels import check_old_channels
from .exponentials import exp_of_negatives, exponentials
from .pixel_loss import mean_pixel_loss


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

    def formula(scores: Tensor, teacher: Tensor) -> Tensor:
        return _CrossEntropy.apply(scores, teacher, num_old, alpha)

    return mean_pixel_loss(formula, logits, (teacher_logits,), size, align_corners) / num_old


class _CrossEntropy(torch.autograd.Function):
    """``C_old`` times the loss of each pixel of a block.

    The derivative is written by hand. Autograd's rounds differently in the last bit, so models trained by earlier
    versions could not be reproduced bit by bit; and it takes 1.3 to 1.6 times as long, which is less than 1 % of an
    iteration of the published network and would not be a reason (see docs/performance.md).
    """

    @staticmethod
    def forward(ctx: Any, scores: Tensor, teacher: Tensor, num_old: int, alpha: float) -> Tensor:
        target = exponentials(teacher if alpha == 1 else teacher * alpha)
        student = exponentials(scores)
        # The background and the new classes are summed apart from the old ones: the sum must keep its digits where they
        # are all improbable.
        merged = scores[0]
        if len(scores) > num_old:
            merged = torch.logaddexp(merged, exponentials(scores[num_old:]).logsumexp())
        # sum_c q_c log u_c = sum_c q_c v_c - logsumexp(scores) with v the merged scores: no log-probabilities are made.
        matched = target.values[0] * merged + (target.values[1:] * scores[1:num_old]).sum(0)
        ctx.save_for_backward(scores, merged, student.values, student.total, target.values, target.total)
        return student.logsumexp() - matched / target.total

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, upstream: Tensor) -> tuple[Tensor, None, None, None]:
        scores, merged, student, student_total, target, target_total = ctx.saved_tensors
        num_old = len(target)
        gradient = student * (upstream / student_total)
        factor = upstream / target_total
        gradient[1:num_old].addcmul_(target[1:], factor, value=-1)
        factor = target[0] * factor
        for part in (slice(1), slice(num_old, None)):
            gradient[part].addcmul_(exp_of_negatives(scores[part] - merged), factor, value=-1)
        return gradient, None, None, None
