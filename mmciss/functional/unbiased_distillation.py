"""Distillation in which the teacher's background covers the student's new classes."""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor

from .channels import check_old_channels
from .exponentials import exp_of_negatives, exponentials
from .pixel_loss import mean_pixel_loss


def unbiased_distillation(
    logits: Tensor,
    teacher_logits: Tensor,
    alpha: float = 1.0,
    size: tuple[int, int] | None = None,
    align_corners: bool = False,
) -> Tensor:
    r"""Computes the unbiased distillation of MiB (CVPR 2020, arXiv 2002.00718).

    With ``q = softmax(alpha * teacher_logits)`` over ``C_old`` channels, ``p = softmax(logits)``
    over all, ``u_0 = p_0 + sum_{c >= C_old} p_c`` and ``u_c = p_c`` for the other old classes:

    .. math:: L = -\operatorname{mean}_{n,h,w} \frac{1}{C_{old}} \sum_{c < C_{old}} q_c \log u_c

    The factor ``1 / C_old`` is part of the published loss. Without new channels the loss is the
    plain distillation, :func:`~mmciss.functional.logit_distillation.logit_distillation`.

    Args:
        logits: Student scores, shape ``(N, C, H, W)``, old channels first.
        teacher_logits: Teacher scores, shape ``(N, C_old, H, W)``.
        alpha: Factor on the teacher's logits; above 1 makes its targets harder.
        size: Height and width to which both are upsampled first, without a map of that size being
            made; None to compare them as they are.
        align_corners: How they are upsampled.

    Returns:
        A scalar.

    Raises:
        ValueError: If the student has fewer channels than the teacher.
    """
    num_old = check_old_channels(logits, teacher_logits)
    rule = partial(_of_pixels, num_old=num_old, alpha=alpha)
    return mean_pixel_loss(rule, logits, (teacher_logits,), size, align_corners) / num_old


def _of_pixels(
    scores: Tensor, teacher: Tensor, scratch: Tensor, upstream: Tensor | None, num_old: int, alpha: float
) -> tuple[Tensor, Tensor | None]:
    """Computes ``C_old`` times the loss of P pixels and its derivative, see ``PixelRule``."""
    target = exponentials(teacher if alpha == 1 else teacher.mul_(alpha))
    # sum_c q_c log u_c = sum_c q_c v_c - logsumexp(scores) with v the merged scores: no
    # log-probabilities are ever made.
    rest = torch.mul(target.values[1:], scores[1:num_old], out=scratch[1:num_old]).sum(0)
    # The background and the new classes are summed apart from the old ones: the sum must keep its
    # digits where they are all improbable.
    background, new = scores[:1], scores[num_old:]
    merged = background[0].clone()  # the scores are overwritten
    if len(new):
        merged = torch.logaddexp(merged, exponentials(new, scratch[num_old:]).logsumexp())
    if upstream is not None:
        exp_of_negatives(torch.sub(background, merged, out=scratch[:1]))
        exp_of_negatives(torch.sub(new, merged, out=scratch[num_old:]))
    matched = (target.values[0] * merged + rest) / target.total
    student = exponentials(scores)
    loss = student.logsumexp() - matched
    if upstream is None:
        return loss, None
    share = student.values.mul_(upstream / student.total)
    certainty = upstream / target.total
    share[1:num_old].addcmul_(target.values[1:], certainty, value=-1)
    certainty = target.values[0] * certainty
    share[:1].addcmul_(scratch[:1], certainty, value=-1)
    share[num_old:].addcmul_(scratch[num_old:], certainty, value=-1)
    return loss, share
