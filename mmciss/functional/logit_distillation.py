"""Distillation of the teacher's softmax into the student's old channels."""
from __future__ import annotations

import torch
from torch import Tensor

from .channels import check_old_channels
from .precision import at_least_float32


def logit_distillation(logits: Tensor, teacher_logits: Tensor) -> Tensor:
    r"""Computes the distillation of LwF (ECCV 2016, arXiv 1606.09282) as used in segmentation.

    The student's softmax is restricted to the old channels, ``q = softmax(teacher_logits)``:

    .. math:: L = -\operatorname{mean}_{n,c,h,w}
              q_c \log \operatorname{softmax}(logits_{:C_{old}})_c

    The mean over channels divides by ``C_old``; the temperature is 1. ILT uses the same term.

    Args:
        logits: Student scores, shape ``(N, C, H, W)``, old channels first.
        teacher_logits: Teacher scores, shape ``(N, C_old, H, W)``.

    Returns:
        A scalar.

    Raises:
        ValueError: If the student has fewer channels than the teacher.
    """
    num_old = check_old_channels(logits, teacher_logits)
    old = at_least_float32(logits)[:, :num_old]
    target = torch.softmax(at_least_float32(teacher_logits), 1)
    return (torch.logsumexp(old, 1) - (target * old).sum(1)).mean() / num_old
