"""Losses of pixels: of upsampled logits, block by block, and their reduction to one number.

No map of the image's size has more than one channel. A loss is given as a formula: a differentiable function of a block
of scores ``(C, ...)`` and of the same pixels of whatever else it looks at, which returns the loss of each pixel,
``(...)``. Autograd finds its derivative, one block at a time, which costs about 1 % of an iteration of the published
network (see docs/performance.md). A formula must not write to its arguments, nor hold tensors that need a gradient.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from .numerics import wide_type
from .processes import mean_count
from .resampling import BlockGradient, UpsampledBlocks

Formula = Callable[..., Tensor]

SMALL = 1 << 22
"""Scores of at most this many numbers (16 MiB), at the size of the labels, are left to autograd in one piece.

On a small network the second pass over the blocks would take half of the loss's time.
"""


def pixel_losses(
    formula: Formula,
    logits: Tensor,
    others: Sequence[Tensor] = (),
    size: tuple[int, ...] | None = None,
    align_corners: bool = False,
    whole_if_small: bool = False,
) -> Tensor:
    """Computes what each pixel costs.

    The backward pass computes each block again, with its derivative. Nothing larger than one channel is kept for it.

    Args:
        formula: The loss of each pixel, called with blocks of ``logits`` and ``others``.
        logits: Scores, shape ``(N, C, h, w)``; only they get a gradient.
        others: Scores ``(N, C', h', w')``, upsampled like the logits, or labels ``(N, H, W)``.
        size: Height and width to which scores are upsampled bilinearly; None for the size they have.
        align_corners: As in :func:`torch.nn.functional.interpolate`.
        whole_if_small: Whether scores that are :data:`SMALL` and not upsampled go without blocks; ``others`` must be
            labels then.

    Returns:
        Shape ``(N, H, W)``, at least float32.
    """
    size = _size(logits, size)
    if whole_if_small and size == tuple(logits.shape[-2:]) and logits.numel() <= SMALL:
        # One image at a time: what one operation leaves is still in the processor's cache for the next one.
        images = zip(logits.to(wide_type(logits)).unbind(), *others, strict=True)
        return torch.stack([formula(*pixels) for pixels in images])
    return _PixelLosses.apply(logits, formula, size, align_corners, *others)


def mean_pixel_loss(
    formula: Formula,
    logits: Tensor,
    others: Sequence[Tensor] = (),
    size: tuple[int, ...] | None = None,
    align_corners: bool = False,
) -> Tensor:
    """Computes the mean over all pixels of :func:`pixel_losses`.

    The gradient for logits that are upsampled is small. It is computed along with the value, so that no block is
    computed twice.
    """
    size = _size(logits, size)
    if size == tuple(logits.shape[-2:]):
        return pixel_losses(formula, logits, others, size, align_corners).mean()
    needs_gradient = torch.is_grad_enabled() and logits.requires_grad
    return _MeanPixelLoss.apply(logits, formula, size, align_corners, needs_gradient, *others)


def _size(logits: Tensor, size: tuple[int, ...] | None) -> tuple[int, int]:
    height, width = logits.shape[-2:] if size is None else size
    return int(height), int(width)


class _Blocks:
    """Walks over logits and what belongs to them, a few rows or images at a time."""

    def __init__(self, logits: Tensor, others: Sequence[Tensor], size: tuple[int, ...], align_corners: bool) -> None:
        self.scores = UpsampledBlocks(logits, size, align_corners)
        self.others = [
            UpsampledBlocks(x, size, align_corners, self.scores.shape) if x.dim() == 4 else x for x in others
        ]

    def __iter__(self) -> Iterator[tuple[tuple[slice, slice], list[Tensor]]]:
        """Yields images and rows, and the pixels there of logits and others."""
        for place in self.scores:
            others = [x.read(*place) if isinstance(x, UpsampledBlocks) else x[place] for x in self.others]
            yield place, [self.scores.read(*place), *others]


def _differentiate(formula: Formula, pixels: Sequence[Tensor], upstream: Tensor) -> tuple[Tensor, Tensor]:
    """Returns the losses of a block, and the gradient of ``upstream`` times them for the block's scores."""
    scores = pixels[0].detach().requires_grad_(True)
    with torch.enable_grad():
        loss = formula(scores, *pixels[1:])
    (gradient,) = torch.autograd.grad(loss, scores, upstream.expand_as(loss))
    return loss.detach(), gradient


class _PixelLosses(torch.autograd.Function):
    """The map of losses; the gradient is computed in the backward pass."""

    @staticmethod
    def forward(
        ctx: Any, logits: Tensor, formula: Formula, size: tuple[int, ...], align_corners: bool, *others: Tensor
    ) -> Tensor:
        ctx.save_for_backward(logits, *others)
        ctx.arguments = formula, size, align_corners
        loss = logits.new_empty((len(logits), *size), dtype=wide_type(logits))
        for place, pixels in _Blocks(logits, others, size, align_corners):
            loss[place] = formula(*pixels)
        return loss

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, upstream: Tensor) -> tuple[Tensor | None, ...]:
        logits, *others = ctx.saved_tensors
        formula, size, align_corners = ctx.arguments
        blocks = _Blocks(logits, others, size, align_corners)
        gradient = BlockGradient(blocks.scores)
        for place, pixels in blocks:
            gradient.put(*place, _differentiate(formula, pixels, upstream[place])[1])
        return (gradient.total.to(logits.dtype), None, None, None, *(None for _ in others))


class _MeanPixelLoss(torch.autograd.Function):
    """The mean, whose gradient is computed along with it."""

    @staticmethod
    def forward(
        ctx: Any,
        logits: Tensor,
        formula: Formula,
        size: tuple[int, ...],
        align_corners: bool,
        needs_gradient: bool,
        *others: Tensor,
    ) -> Tensor:
        blocks = _Blocks(logits, others, size, align_corners)
        number = len(logits) * size[0] * size[1]
        share = logits.new_tensor(1 / number, dtype=wide_type(logits))
        total = torch.zeros_like(share)
        gradient = BlockGradient(blocks.scores) if needs_gradient else None
        for place, pixels in blocks:
            if gradient is None:
                loss = formula(*pixels)
            else:
                loss, derivative = _differentiate(formula, pixels, share)
                gradient.put(*place, derivative)
            total += loss.sum()
        if gradient is not None:
            ctx.save_for_backward(gradient.total)
        ctx.dtype, ctx.number_of_others = logits.dtype, len(others)
        return total / number

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, upstream: Tensor) -> tuple[Tensor | None, ...]:
        (gradient,) = ctx.saved_tensors
        return ((gradient * upstream).to(ctx.dtype), *(None,) * (4 + ctx.number_of_others))


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
