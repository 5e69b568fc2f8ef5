"""Distillation of the teacher's sigmoid probabilities, one class at a time."""
from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from .channels import check_old_channels
from .precision import at_least_float32


def sigmoid_distillation(logits: Tensor, teacher_logits: Tensor) -> Tensor:
    r"""Computes binary cross-entropy between teacher and student probabilities.

    .. math:: L = \sum_{c < C_{old}} \operatorname{mean}_{n,h,w}
              \left[ \operatorname{softplus}(z_c) - \sigma(\hat z_c) z_c \right]

    summed over old channels, averaged over pixels: the distillation of DKD (NeurIPS 2022, arXiv
    2210.05941), which takes foreground channels only, and that of LwF-MC, which is
    published as ``10 * C_old * mean``, so 10 times this sum over all old channels.

    Args:
        logits: Student scores, shape ``(N, C, H, W)``, old channels first; the others take no part.
        teacher_logits: Teacher scores, shape ``(N, C_old, H, W)``.

    Returns:
        A scalar.

    Raises:
        ValueError: If the student has fewer channels than the teacher.
    """
    num_old = check_old_channels(logits, teacher_logits)
    old = at_least_float32(logits)[:, :num_old]
    target = torch.sigmoid(at_least_float32(teacher_logits))
    return (F.softplus(old) - target * old).sum(1).mean()
