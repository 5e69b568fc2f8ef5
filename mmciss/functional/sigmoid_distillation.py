"""Distillation of the teacher's sigmoid probabilities, one class at a time."""

from __future__ import annotations

from torch import Tensor

from .binary_cross_entropy import softplus
from .channels import check_old_channels
from .pixel_loss import mean_pixel_loss


def sigmoid_distillation(
    logits: Tensor, teacher_logits: Tensor, size: tuple[int, int] | None = None, align_corners: bool = False
) -> Tensor:
    r"""Computes binary cross-entropy between teacher and student probabilities.

    .. math:: L = \sum_{c < C_{old}} \operatorname{mean}_{n,h,w}
              \left[ \operatorname{softplus}(z_c) - \sigma(\hat z_c) z_c \right]

    summed over old channels, averaged over pixels: the distillation of DKD (NeurIPS 2022, arXiv
    2210.05941), which takes foreground channels only, and that of LwF-MC, which is
    published as ``10 * C_old * mean``, so 10 times this sum over all old channels.

    Args:
        logits: Student scores, shape ``(N, C, H, W)``, old channels first; the others take no part.
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
    # The scores of new channels are not read at all.
    return mean_pixel_loss(_cross_entropy, logits[:, :num_old], (teacher_logits,), size, align_corners)


def _cross_entropy(scores: Tensor, teacher: Tensor) -> Tensor:
    return softplus(scores).sum(0) - (teacher.sigmoid() * scores).sum(0)
