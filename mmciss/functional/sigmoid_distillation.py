"""Distillation of sigmoid probabilities, of logits or of their positive and negative parts."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from .logit_distillation import check_old_channels
from .numerics import at_least_float32
from .pixel_loss import mean_pixel_loss


def sigmoid_distillation(
    logits: Tensor, teacher_logits: Tensor, size: tuple[int, ...] | None = None, align_corners: bool = False
) -> Tensor:
    r"""Computes binary cross-entropy between teacher and student probabilities.

    .. math:: L = \sum_{c < C_{old}} \operatorname{mean}_{n,h,w}
              \left[ \operatorname{softplus}(z_c) - \sigma(\hat z_c) z_c \right]

    summed over old channels, averaged over pixels: the distillation of DKD (NeurIPS 2022, arXiv 2210.05941), which
    takes foreground channels only, and that of LwF-MC, which is published as ``10 * C_old * mean``, so 10 times this
    sum over all old channels.

    Args:
        logits: Student scores, shape ``(N, C, H, W)``, old channels first; the others take no part.
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
    # The scores of new channels are not read at all.
    return mean_pixel_loss(_cross_entropy, logits[:, :num_old], (teacher_logits,), size, align_corners)


def _cross_entropy(scores: Tensor, teacher: Tensor) -> Tensor:
    return F.binary_cross_entropy_with_logits(scores, teacher.sigmoid(), reduction='none').sum(0)


def decompose(embedding: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
    """Splits the logits of a linear classifier by the sign of its weights.

    For a non-negative embedding the first part is never negative and the second never positive. With the bias they add
    up to the logit.

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

    Teacher values come from the teacher's embedding and the teacher's weight. The method assumes a non-negative
    embedding, such as the output of a ReLU.

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
