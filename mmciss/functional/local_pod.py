"""PLOP's distillation of feature maps pooled over strips at several scales."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from .feature_distillation import weighted_mean_over_maps
from .precision import full_precision


def local_pod(
    student: Sequence[Tensor],
    teacher: Sequence[Tensor],
    factors: Sequence[float],
    num_old: int,
    num_seen: int,
    scales: Sequence[int] = (1, 2, 4),
) -> Tensor:
    r"""Computes Local POD of PLOP (CVPR 2021, arXiv 2011.11390).

    ``phi`` cuts a map into ``s x s`` regions for each scale ``s`` and keeps the means of each region along its width
    and along its height. With L pairs of maps, squared element by element:

    .. math:: L = \frac{1}{L} \sum_l \lambda_l \sqrt{C / N}
              \operatorname{mean}_n \| \phi(a_l^2)_n - \phi(b_l^2)_n \|_2

    (a norm, not its square). Where the student's map has more channels, as the logits do, its new ones are added to the
    background first. Since ``phi`` is linear it is applied once, to the difference. Without new classes the factor
    ``sqrt(C / N)`` is 1.

    Args:
        student: Maps ``(N, D_l, H_l, W_l)``, the last being the logits.
        teacher: The teacher's maps, in the same order.
        factors: ``lambda_l``; in the paper's VOC runs 0.01 for features and 0.0005 for logits.
        num_old: Number of old channels, background included.
        num_seen: Number of all channels, background included.
        scales: Numbers of regions along each side. Rows and columns that do not fill a last region of equal size are
            left out.

    Returns:
        A scalar.

    Raises:
        ValueError: If the lists do not match, or a map is smaller than the largest scale.
    """
    return weighted_mean_over_maps(
        student, teacher, factors, lambda difference: _strip_distance(difference, scales), num_old, num_seen
    )


def _strip_distance(difference: Tensor, scales: Sequence[int]) -> Tensor:
    """Returns the norm of all strip means of each image, shape ``(N,)``.

    The means of all regions of all scales are two products with small matrices: no loop over regions, and the map is
    read twice in all.
    """
    height, width = difference.shape[-2:]
    for scale in scales:
        if scale > min(height, width):
            raise ValueError(
                f'scales: {scale} regions per side do not fit a map of '
                f'{(height, width)}; leave this scale out or train on larger images'
            )
    down, kept_rows = _strips(height, scales, difference)
    along, kept_columns = _strips(width, scales, difference)
    with full_precision(difference):
        means = [difference @ along, down.T @ difference]
    # What is left out along the other side has no part in the means of a scale.
    if not kept_rows.all():
        means[0] = means[0] * kept_rows.to(difference)
    if not kept_columns.all():
        means[1] = means[1] * kept_columns.T.to(difference)
    # vector_norm has gradient 0, not NaN, at 0, which is where training starts when student and teacher are equal.
    norms = [torch.linalg.vector_norm(x.flatten(1), dim=1) for x in means]
    return torch.linalg.vector_norm(torch.stack(norms), dim=0)


def _strips(size: int, scales: Sequence[int], like: Tensor) -> tuple[Tensor, Tensor]:
    """Returns the means over the regions of one side as a matrix ``(size, sum(scales))``.

    And, of the same shape, which pixels belong to any region of the scale; on the CPU.
    """
    place = torch.arange(size).unsqueeze(1)
    means, kept = [], []
    for scale in scales:
        length = size // scale
        means.append((place // length == torch.arange(scale)) / length)
        kept.append((place < length * scale).expand(size, scale))
    return torch.cat(means, 1).to(like), torch.cat(kept, 1)
