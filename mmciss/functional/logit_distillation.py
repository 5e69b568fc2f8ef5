"""Distillation of the teacher's softmax into the student's old channels."""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor

from .channels import check_old_channels
from .exponentials import exponentials
from .pixel_loss import mean_pixel_loss


def logit_distillation(
    logits: Tensor, teacher_logits: Tensor, size: tuple[int, int] | None = None, align_corners: bool = False
) -> Tensor:
    r"""Computes the distillation of LwF (ECCV 2016, arXiv 1606.09282) as used in segmentation.

    The student's softmax is restricted to the old channels, ``q = softmax(teacher_logits)``:

    .. math:: L = -\operatorname{mean}_{n,c,h,w}
              q_c \log \operatorname{softmax}(logits_{:C_{old}})_c

    The mean over channels divides by ``C_old``; the temperature is 1. ILT uses the same term.

    Args:
        logits: Student scores, shape ``(N, C, H, W)``, old channels first.
        teacher_logits: Teacher scores, shape ``(N, C_old, H, W)``.
        size: Height and width to which both are upsampled first, without a map of that size being
            made; None to compare them as they are.
        align_corners: How they are upsampled.

    Returns:
        A scalar.

    Raises:
        ValueError: If the student has fewer channels than the teacher.
    """
    num_old = check_old_channels(logits, teacher_logits)
    rule = partial(_of_pixels, num_old=num_old)
    return mean_pixel_loss(rule, logits, (teacher_logits,), size, align_corners) / num_old


def _of_pixels(
    scores: Tensor, teacher: Tensor, scratch: Tensor, upstream: Tensor | None, num_old: int
) -> tuple[Tensor, Tensor | None]:
    """Computes ``C_old`` times the loss of P pixels and its derivative, see ``PixelRule``."""
    target = exponentials(teacher)
    matched = torch.mul(target.values, scores[:num_old], out=scratch[:num_old]).sum(0)
    student = exponentials(scores[:num_old])
    loss = student.logsumexp() - matched / target.total
    if upstream is None:
        return loss, None
    student.values.mul_(upstream / student.total)
    student.values.addcmul_(target.values, upstream / target.total, value=-1)
    scores[num_old:] = 0
    return loss, scores
