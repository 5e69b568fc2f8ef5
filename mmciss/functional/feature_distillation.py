"""Distillation of feature maps: mean square (ILT), weighted (MBS), pooled strips (PLOP) and pooled cubes (RCIL)."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

from .numerics import at_least_float32, full_precision
from .processes import mean_count


def feature_distillation(features: Tensor, teacher_features: Tensor) -> Tensor:
    """Computes the feature distillation of ILT (ICCVW 2019, arXiv 1907.13372).

    The mean runs over all elements: images, channels and positions.

    Args:
        features: Student map, shape ``(N, D, H, W)``.
        teacher_features: Teacher map of the same shape.

    Returns:
        A scalar.

    Raises:
        ValueError: If the shapes differ, which broadcasting would hide.
    """
    if features.shape != teacher_features.shape:
        raise ValueError(
            f'student features {tuple(features.shape)} and teacher features '
            f'{tuple(teacher_features.shape)} differ in shape'
        )
    return F.mse_loss(at_least_float32(features), at_least_float32(teacher_features))


def weighted_feature_distillation(features: Tensor, teacher_features: Tensor, weights: Tensor) -> Tensor:
    r"""Computes MBS's feature distillation (ECCV 2024), :math:`\sum v |f - \hat f|^2 / (D \, \#\{v > 0\})`.

    Args:
        features: Student map, shape ``(N, D, h, w)``.
        teacher_features: Teacher map of the same shape.
        weights: Weight ``v`` of each position, shape ``(N, h, w)``.

    Returns:
        A scalar; positions without weight do not count. The mean is over the positions of all processes.
    """
    new, old = at_least_float32(features), at_least_float32(teacher_features)
    distance = (new - old).square().mean(1)
    return (weights * distance).sum() / mean_count(weights > 0)


def adaptive_factor(num_old: int, num_seen: int) -> float:
    """Returns ``sqrt(C / N)`` for C channels of which N are new, or 1 where none is new."""
    num_new = num_seen - num_old
    return math.sqrt(num_seen / num_new) if num_new else 1.0


def squared_difference(teacher: Tensor, student: Tensor) -> Tensor:
    """Returns ``teacher^2 - student^2``, shape ``(N, D, H, W)``.

    If the student has more channels than the teacher, the maps are logits, and the new channels are first added to the
    background.

    Raises:
        ValueError: If batch or spatial sizes differ, or the student has fewer channels.
    """
    if student.shape[1] > teacher.shape[1]:
        student = merge_new_into_background(at_least_float32(student), teacher.shape[1])
    if student.shape != teacher.shape:
        raise ValueError(f'student map {tuple(student.shape)} and teacher map {tuple(teacher.shape)} differ in shape')
    return _SquaredDifference.apply(teacher, student)


def merge_new_into_background(scores: Tensor, num_old: int) -> Tensor:
    """Adds the channels of new classes to the background channel.

    Args:
        scores: Scores of all classes, shape ``(N, C, H, W)``, background first.
        num_old: Number of channels to keep.

    Returns:
        Shape ``(N, num_old, H, W)``; the input itself where there is no new channel.
    """
    if scores.shape[1] == num_old:
        return scores
    background = scores[:, :1] + scores[:, num_old:].sum(1, keepdim=True)
    return torch.cat([background, scores[:, 1:num_old]], 1)


class _SquaredDifference(torch.autograd.Function):
    """Saves the student's map only, in its own precision; autograd would save a float32 copy of half-precision maps."""

    @staticmethod
    def forward(ctx: Any, teacher: Tensor, student: Tensor) -> Tensor:
        ctx.save_for_backward(student)
        # Widened before squaring: a square leaves the range of float16 from 256 on. Both squares are rounded alike, so
        # equal maps differ by exactly 0; a fused multiply-add leaves noise, and its norm a gradient of full length.
        student, teacher = at_least_float32(student), at_least_float32(teacher)
        return (teacher * teacher).sub_(student * student)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, upstream: Tensor) -> tuple[None, Tensor]:
        (student,) = ctx.saved_tensors
        return None, (upstream * at_least_float32(student)).mul_(-2).to(student.dtype)


def weighted_mean_over_maps(
    student: Sequence[Tensor],
    teacher: Sequence[Tensor],
    factors: Sequence[float],
    distance: Callable[[Tensor], Tensor],
    num_old: int,
    num_seen: int,
) -> Tensor:
    """Averages ``factor * sqrt(C / N) * mean_n distance(teacher^2 - student^2)`` over maps.

    Args:
        student: Maps ``(N, D_l, H_l, W_l)``.
        teacher: Maps of the same shapes; logits may have fewer channels.
        factors: Weight of each map. A map of weight 0 is not computed, but counts in the average.
        distance: Maps the difference of squares to a distance for each image, ``(N,)``.
        num_old: Number of old channels, background included.
        num_seen: Number of all channels.

    Raises:
        ValueError: If the lists differ in length, or are empty.
    """
    if not len(student) == len(teacher) == len(factors) or not factors:
        raise ValueError(
            f'{len(student)} student maps, {len(teacher)} teacher maps and '
            f'{len(factors)} factors: one factor and one pair is needed per map'
        )
    total = at_least_float32(student[-1]).new_zeros(())
    for new, old, factor in zip(student, teacher, factors, strict=True):
        if factor > 0:
            total = total + factor * distance(squared_difference(old, new)).mean()
    return total * adaptive_factor(num_old, num_seen) / len(factors)


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
        means.append((place // length == torch.arange(scale)).double() / length)
        kept.append((place < length * scale).expand(size, scale))
    return torch.cat(means, 1).to(like), torch.cat(kept, 1)


def pooled_cube_distillation(
    student: Sequence[Tensor],
    teacher: Sequence[Tensor],
    factors: Sequence[float],
    num_old: int,
    num_seen: int,
    kernels: Sequence[int] = (4, 8, 12, 16, 20, 24),
    window: int = 3,
    mode: str = 'spatial',
) -> Tensor:
    r"""Computes one half of RCIL's pooled cube distillation (CVPR 2022, arXiv 2203.05402).

    With ``d_l = a_l^2 - b_l^2`` the squared difference of L pairs of maps:

    .. math:: L_{spatial} = \frac{1}{L} \sum_l \lambda_l \sqrt{C / N} \frac{1}{|K|} \sum_{k \in K}
              \operatorname{mean}_n \| \operatorname{avgpool}_{k \times k}(d_l)_n \|_2

    .. math:: L_{channel} = \frac{1}{L} \sum_l \lambda_l \sqrt{C / N}
              \operatorname{mean}_n \| \operatorname{avgpool}_{channels}(d_l)_n \|_2

    Windows move by 1 and are padded with zeros, which count in the mean. The spatial half takes the logits as its last
    map, with new channels added to the background; the channel half takes features only.

    Args:
        student: Maps ``(N, D_l, H_l, W_l)``.
        teacher: The teacher's maps, in the same order.
        factors: ``lambda_l``; VOC: 0.01, and 0.0005 for the last map of either half.
        num_old: Number of old channels, background included.
        num_seen: Number of all channels, background included.
        kernels: Sides of the square windows, in pixels of the map, for ``'spatial'``.
        window: Number of neighbouring channels pooled for ``'channel'``, odd.
        mode: ``'spatial'`` or ``'channel'``.

    Returns:
        A scalar.

    Raises:
        ValueError: If ``mode`` is unknown or the lists do not match.
    """
    distances: dict[str, Callable[[Tensor], Tensor]] = {
        'spatial': lambda difference: _spatial_distance(difference, kernels),
        'channel': lambda difference: _channel_distance(difference, window),
    }
    if mode not in distances:
        raise ValueError(f'mode: unknown value {mode!r}. Allowed: {", ".join(distances)}.')
    return weighted_mean_over_maps(student, teacher, factors, distances[mode], num_old, num_seen)


def _norm(pooled: Tensor) -> Tensor:
    # vector_norm has gradient 0, not NaN, at 0.
    return torch.linalg.vector_norm(pooled.flatten(1), dim=1)


def _spatial_distance(difference: Tensor, kernels: Sequence[int]) -> Tensor:
    """Returns the mean over window sizes of the pooled norm of each image, shape ``(N,)``."""
    norms = []
    with full_precision(difference):
        for side in kernels:
            # Sliding means along one axis after the other, as products with band matrices: several times faster than
            # pooling with windows this large, and as exact.
            rows, columns = (_sliding_mean(n, side, difference) for n in difference.shape[-2:])
            norms.append(_norm(rows @ (difference @ columns.T)))
    return torch.stack(norms).mean(0)


def _sliding_mean(size: int, side: int, like: Tensor) -> Tensor:
    """Returns the matrix of zero-padded means over ``side`` neighbours, ``(size_out, size)``."""
    start = torch.arange(size + 2 * (side // 2) - side + 1, device=like.device) - side // 2
    offset = torch.arange(size, device=like.device) - start.unsqueeze(1)
    return ((offset >= 0) & (offset < side)).to(like) / side


def _channel_distance(difference: Tensor, window: int) -> Tensor:
    """Returns the norm of each image pooled over neighbouring channels, shape ``(N,)``."""
    plane = difference.flatten(2).unsqueeze(1)  # (N, 1, D, H * W)
    return _norm(F.avg_pool2d(plane, (window, 1), 1, (window // 2, 0)))
