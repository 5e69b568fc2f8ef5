"""RCIL's distillation of feature maps pooled by sliding windows, in space or over channels."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from .feature_distillation import weighted_mean_over_maps
from .precision import full_precision


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
