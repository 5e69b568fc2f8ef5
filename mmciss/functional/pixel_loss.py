"""Losses of upsampled logits without a map of their size: block by block, in memory that stays in the cache."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Protocol

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from .upsampled_blocks import BlockGradient, UpsampledBlocks, view_of, wide_type


class PixelRule(Protocol):
    """What a pixel costs and how that depends on its scores."""

    def __call__(
        self, scores: Tensor, *others: Tensor, scratch: Tensor, upstream: Tensor | None
    ) -> tuple[Tensor | None, Tensor | None]:
        """Returns the loss ``(P,)`` of P pixels and, where asked for, its derivative ``(C, P)``.

        Scores of either kind may be overwritten, and the derivative may take their place; labels may not. A rule of
        :func:`pixel_losses` may leave out the loss where the derivative is asked for.

        Args:
            scores: Shape ``(C, P)``, at least float32.
            *others: The same pixels of what else the loss looks at: scores ``(C', P)`` or labels ``(P,)``.
            scratch: Memory to work in, shaped like the scores.
            upstream: Factor of the derivative, ``(P,)`` or a scalar; None where no derivative is wanted.
        """


def pixel_losses(
    rule: PixelRule,
    logits: Tensor,
    others: Sequence[Tensor] = (),
    size: tuple[int, int] | None = None,
    align_corners: bool = False,
) -> Tensor:
    """Computes what each pixel costs.

    The backward pass works block by block, as the forward pass does, and computes the scores of a block again:
    beside the gradient itself nothing larger than one channel is kept.

    Args:
        rule: The loss of one pixel. It must not hold tensors that need a gradient.
        logits: Scores, shape ``(N, C, h, w)``, the only input with a gradient.
        others: Scores ``(N, C', h', w')``, upsampled like the logits, or labels ``(N, H, W)``.
        size: Height and width to which scores are upsampled bilinearly; None for the size they have.
        align_corners: As in :func:`torch.nn.functional.interpolate`.

    Returns:
        Shape ``(N, H, W)``, at least float32.
    """
    return _PixelLosses.apply(logits, rule, _size(logits, size), align_corners, *others)


def mean_pixel_loss(
    rule: PixelRule,
    logits: Tensor,
    others: Sequence[Tensor] = (),
    size: tuple[int, int] | None = None,
    align_corners: bool = False,
) -> Tensor:
    """Computes the mean over all pixels of :func:`pixel_losses`.

    Where logits are upsampled, their gradient is as small as they are. Then it is computed together with the value,
    and the backward pass costs nothing.
    """
    size = _size(logits, size)
    if size == tuple(logits.shape[-2:]):
        return pixel_losses(rule, logits, others, size, align_corners).mean()
    gradient = torch.is_grad_enabled() and logits.requires_grad
    return _MeanPixelLoss.apply(logits, rule, size, align_corners, gradient, *others)


def _size(logits: Tensor, size: tuple[int, int] | None) -> tuple[int, int]:
    height, width = logits.shape[-2:] if size is None else size
    return int(height), int(width)


class _Blocks:
    """Walks over logits and what belongs to them, a few rows or images at a time."""

    def __init__(self, logits: Tensor, others: Sequence[Tensor], size: tuple[int, int], align_corners: bool) -> None:
        self.scores = UpsampledBlocks(logits, size, align_corners)
        self.others = [
            UpsampledBlocks(x, size, align_corners, self.scores.shape) if x.dim() == 4 else x for x in others
        ]
        self.scratch = torch.empty_like(self.scores.buffer)

    def __iter__(self) -> Iterator[tuple[tuple[slice, slice], list[Tensor], Tensor]]:
        """Yields images and rows; the pixels there of logits and others; memory to work in."""
        for place in self.scores:
            pixels = [
                x.block(*place) if isinstance(x, UpsampledBlocks) else x[place].reshape(-1)
                for x in (self.scores, *self.others)
            ]
            yield place, pixels, view_of(self.scratch, pixels[0].shape)


class _PixelLosses(torch.autograd.Function):
    """The map of losses; the gradient is computed in the backward pass."""

    @staticmethod
    def forward(
        ctx: Any, logits: Tensor, rule: PixelRule, size: tuple[int, int], align_corners: bool, *others: Tensor
    ) -> Tensor:
        ctx.save_for_backward(logits, *others)
        ctx.arguments = rule, size, align_corners
        loss = logits.new_empty((len(logits), *size), dtype=wide_type(logits))
        for place, pixels, scratch in _Blocks(logits, others, size, align_corners):
            found, _ = rule(*pixels, scratch=scratch, upstream=None)
            loss[place] = found.view_as(loss[place])
        return loss

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, upstream: Tensor) -> tuple[Tensor | None, ...]:
        logits, *others = ctx.saved_tensors
        blocks = _Blocks(logits, others, *ctx.arguments[1:])
        gradient = BlockGradient(blocks.scores)
        for place, pixels, scratch in blocks:
            factor = upstream[place].reshape(-1)
            gradient.put(*place, ctx.arguments[0](*pixels, scratch=scratch, upstream=factor)[1])
        return (gradient.total.to(logits.dtype), None, None, None, *(None for _ in others))


class _MeanPixelLoss(torch.autograd.Function):
    """The mean, whose gradient is computed along with it."""

    @staticmethod
    def forward(
        ctx: Any,
        logits: Tensor,
        rule: PixelRule,
        size: tuple[int, int],
        align_corners: bool,
        needs_gradient: bool,
        *others: Tensor,
    ) -> Tensor:
        blocks = _Blocks(logits, others, size, align_corners)
        gradient = BlockGradient(blocks.scores) if needs_gradient else None
        pixels_in_all = len(logits) * size[0] * size[1]
        factor = blocks.scratch.new_tensor(1 / pixels_in_all) if needs_gradient else None
        total = blocks.scratch.new_zeros(())
        for place, pixels, scratch in blocks:
            loss, derivative = rule(*pixels, scratch=scratch, upstream=factor)
            total += loss.sum()
            if gradient is not None:
                gradient.put(*place, derivative)
        if gradient is not None:
            ctx.save_for_backward(gradient.total)
        ctx.dtype, ctx.number_of_others = logits.dtype, len(others)
        return total / pixels_in_all

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, upstream: Tensor) -> tuple[Tensor | None, ...]:
        (gradient,) = ctx.saved_tensors
        return ((gradient * upstream).to(ctx.dtype), *(None,) * (4 + ctx.number_of_others))
