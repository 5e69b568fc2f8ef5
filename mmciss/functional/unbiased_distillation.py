"""Distillation in which the teacher's background covers the student's new classes."""
from __future__ import annotations

import torch
from torch import Tensor

from .channels import check_old_channels
from .precision import at_least_float32


def unbiased_distillation(logits: Tensor, teacher_logits: Tensor, alpha: float = 1.0) -> Tensor:
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

    Returns:
        A scalar.

    Raises:
        ValueError: If the student has fewer channels than the teacher.
    """
    num_old = check_old_channels(logits, teacher_logits)
    logits = at_least_float32(logits)
    target = torch.softmax(alpha * at_least_float32(teacher_logits), 1)
    background, rest = logits[:, :1], logits[:, 1:num_old]
    background = torch.logsumexp(torch.cat([background, logits[:, num_old:]], 1), 1)
    # sum_c q_c log u_c = sum_c q_c v_c - logsumexp(logits) with v the merged logits: no tensor of
    # log-probabilities is ever made.
    total = torch.logsumexp(logits, 1)
    matched = target[:, 0] * background + (target[:, 1:] * rest).sum(1)
    return (total - matched).mean() / num_old
