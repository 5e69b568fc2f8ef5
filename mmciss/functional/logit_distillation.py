"""Distillation of the teacher's softmax into the student's old channels."""

from __future__ import annotations

from functools import partial

from torch import Tensor

from .channels import check_old_channels
from .pixel_loss import mean_pixel_loss


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
