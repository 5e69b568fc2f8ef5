"""Reduction of a map of losses to one number."""

from __future__ import annotations

from torch import Tensor

from .processes import mean_count

REDUCTIONS = ('none', 'pixel_mean', 'valid_mean')


def reduce_pixels(
    loss: Tensor, target: Tensor, reduction: str, ignore_index: int = 255, weight: Tensor | None = None
) -> Tensor:
    """Averages a loss map; the reduction's name says by what is divided.

    The denominators differ between papers and scale the loss, so there is no default.

    Args:
        loss: Loss of every pixel, 0 where ``target`` is ignored, shape ``(N, H, W)``.
        target: Labels, shape ``(N, H, W)``.
        reduction: ``'none'`` returns the map; ``'pixel_mean'`` divides the sum by the number of all pixels, ignored
            ones included (MiB, PLOP); ``'valid_mean'`` by the number of pixels that are not ignored (SSUL), counted
            over all processes, and gives 0 where there is none.
        ignore_index: Label of ignored pixels.
        weight: Factor of every pixel; broadcastable to ``(N, H, W)``. It scales the sum only, not the denominator.

    Returns:
        The map ``(N, H, W)`` for ``'none'``, else a scalar.

    Raises:
        ValueError: If ``reduction`` is unknown.
    """
    if reduction not in REDUCTIONS:
        raise ValueError(f'reduction: unknown value {reduction!r}. Allowed: {", ".join(REDUCTIONS)}.')
    if weight is not None:
        loss = loss * weight
    if reduction == 'none':
        return loss
    if reduction == 'pixel_mean':
        return loss.mean()
    return loss.sum() / mean_count(target != ignore_index)
