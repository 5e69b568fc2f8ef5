"""Distillation of the two reasonings behind a logit: for the class and against it."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from .precision import at_least_float32
from .sigmoid_distillation import sigmoid_distillation


def decompose(embedding: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
    """Splits the logits of a linear classifier by the sign of its weights.

    For a non-negative embedding the first part is never negative, the second never positive; with
    the bias they add up to the logit.

    Args:
        embedding: Input of the classifier, shape ``(N, D, H, W)``.
        weight: Weight of the classifier, shape ``(C, D, 1, 1)``.

    Returns:
        Positive and negative parts, both ``(N, C, H, W)``.
    """
    return F.conv2d(embedding, weight.clamp(min=0)), F.conv2d(embedding, weight.clamp(max=0))


def decomposed_distillation(
    embedding: Tensor, weight: Tensor, teacher_embedding: Tensor, teacher_weight: Tensor
) -> tuple[Tensor, Tensor]:
    r"""Computes the decomposed distillation of DKD (NeurIPS 2022, arXiv 2210.05941).

    With ``z+ = conv(x, max(w, 0))`` and ``z- = conv(x, min(w, 0))``, without bias, either term is

    .. math:: \sum_k \operatorname{mean}_{n,h,w}
              \left[ \operatorname{softplus}(z^\pm_k) - \sigma(\hat z^\pm_k) z^\pm_k \right]

    Teacher values come from the teacher's embedding and the teacher's weight. The method assumes a
    non-negative embedding, such as the output of a ReLU.

    Args:
        embedding: Student embedding, shape ``(N, D, H, W)``.
        weight: Student rows of old classes, shape ``(K, D, 1, 1)``.
        teacher_embedding: Shape ``(N, D, H, W)``.
        teacher_weight: Teacher rows of the same classes, shape ``(K, D, 1, 1)``.

    Returns:
        Positive and negative term, two scalars.
    """
    student = decompose(at_least_float32(embedding), at_least_float32(weight))
    teacher = decompose(at_least_float32(teacher_embedding), at_least_float32(teacher_weight))
    positive, negative = map(sigmoid_distillation, student, teacher)
    return positive, negative
