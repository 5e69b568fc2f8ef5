"""Losses of pixels: of upsampled logits, block by block, and their reduction to one number.

No map of the image's size has more than one channel. A loss is a formula of the scores of each pixel, see
:func:`pixel_losses` and :func:`mean_pixel_loss`, or of totals over their channels, see :func:`channel_totals`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

from .numerics import exp_of_negatives, wide_type
from .processes import mean_count
from .resampling import BlockGradient, UpsampledBlocks

Formula = Callable[..., Tensor]
"""A differentiable function of a block of scores ``(C, ...)`` and of the same pixels of whatever else it looks at.

It returns the loss of each pixel, ``(...)``. It must not write to its arguments, nor hold tensors that need a gradient.
"""

Gradient = Callable[[Tensor], Tensor]
"""Turns the gradient of a block's losses, ``(...)``, into that of its scores, ``(C, ...)``; called at most once."""

Derivative = Callable[..., tuple[Tensor, Gradient]]
"""A function of what a formula gets, which returns the loss of each pixel and its :data:`Gradient`."""


class Total(NamedTuple):
    """A total over channels and its derivative.

    Attributes:
        of: Returns the total ``(...)`` of scores ``(C, ...)``.
        slopes: Writes its derivative for each score to ``out``, given scores, total and ``out``, and returns it.
    """

    of: Callable[[Tensor], Tensor]
    slopes: Callable[[Tensor, Tensor, Tensor], Tensor]


LOG_SUM_EXP = Total(
    lambda scores: scores.logsumexp(0), lambda scores, total, out: exp_of_negatives(torch.sub(scores, total, out=out))
)
SOFTPLUS = Total(lambda scores: F.softplus(scores).sum(0), lambda scores, total, out: torch.sigmoid(scores, out=out))


def channel_totals(
    total: Total, logits: Tensor, label: Tensor, sizes: Sequence[int], align_corners: bool = False
) -> tuple[Tensor, ...]:
    """Computes what a cross-entropy is made of: the score of each pixel's label, and totals over groups of channels.

    The backward pass reads the scores again and writes each number of the gradient once, which is faster
    than :func:`pixel_losses` (see docs/performance.md). Nothing larger than one channel is kept for it.

    Args:
        total: What is computed over the channels of a group.
        logits: Scores, shape ``(N, C, h, w)``, upsampled bilinearly where that is not the size of the labels.
        label: A channel for each pixel, shape ``(N, H, W)``.
        sizes: Numbers of channels of the groups; their sum is C. The total of a group may be that of no channel.
        align_corners: As in :func:`torch.nn.functional.interpolate`.

    Returns:
        Maps ``(N, H, W)``, at least float32: the label's score, then the total of each group.
    """
    return _ChannelTotals.apply(logits, label, total, tuple(sizes), align_corners)


def pixel_losses(
    formula: Formula,
    logits: Tensor,
    others: Sequence[Tensor] = (),
    size: tuple[int, ...] | None = None,
    align_corners: bool = False,
    derivative: Derivative | None = None,
) -> Tensor:
    """Computes what each pixel costs.

    The backward pass computes each block again, with its derivative. Nothing larger than one channel is kept for it.

    Args:
        formula: The loss of each pixel, called with blocks of ``logits`` and ``others``.
        logits: Scores, shape ``(N, C, h, w)``; only they get a gradient.
        others: Scores ``(N, C', h', w')``, upsampled like the logits, or labels ``(N, H, W)``.
        size: Height and width to which scores are upsampled bilinearly; None for the size they have.
        align_corners: As in :func:`torch.nn.functional.interpolate`.
        derivative: The same loss with its derivative; None for autograd's, one block at a time, which costs about 1 %
            of an iteration of the published network (see docs/performance.md).

    Returns:
        Shape ``(N, H, W)``, at least float32.
    """
    derivative = partial(_differentiate, formula) if derivative is None else derivative
    return _PixelLosses.apply(logits, formula, derivative, _size(logits, size), align_corners, *others)


def mean_pixel_loss(
    formula: Formula,
    logits: Tensor,
    others: Sequence[Tensor] = (),
    size: tuple[int, ...] | None = None,
    align_corners: bool = False,
    derivative: Derivative | None = None,
) -> Tensor:
    """Computes the mean over all pixels of :func:`pixel_losses`.

    The gradient for logits that are upsampled is small. It is computed along with the value, so that no block is
    computed twice.
    """
    size = _size(logits, size)
    if size == tuple(logits.shape[-2:]):
        return pixel_losses(formula, logits, others, size, align_corners, derivative).mean()
    derivative = partial(_differentiate, formula) if derivative is None else derivative
    needs_gradient = torch.is_grad_enabled() and logits.requires_grad
    return _MeanPixelLoss.apply(logits, formula, derivative, size, align_corners, needs_gradient, *others)


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


def _differentiate(formula: Formula, scores: Tensor, *others: Tensor) -> tuple[Tensor, Gradient]:
    """Returns the losses of a block and, by autograd, their gradient."""
    scores = scores.detach().requires_grad_(True)
    with torch.enable_grad():
        loss = formula(scores, *others)
    return loss.detach(), lambda upstream: torch.autograd.grad(loss, scores, upstream.expand_as(loss))[0]


class _ChannelTotals(torch.autograd.Function):
    """The label's score and the totals of groups of channels."""

    @staticmethod
    def forward(
        ctx: Any, logits: Tensor, label: Tensor, total: Total, sizes: tuple[int, ...], align_corners: bool
    ) -> tuple[Tensor, ...]:
        blocks = UpsampledBlocks(logits, tuple(label.shape[-2:]), align_corners)
        own, *totals = (logits.new_empty(label.shape, dtype=blocks.dtype) for _ in range(1 + len(sizes)))
        for place in blocks:
            scores = blocks.read(*place)
            own[place] = scores.gather(0, label[place].unsqueeze(0))[0]
            for found, part in zip(totals, scores.split(sizes), strict=True):
                found[place] = total.of(part)
        ctx.save_for_backward(logits, label, *totals)
        ctx.arguments = total, sizes, align_corners
        return own, *totals

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, upstream_own: Tensor, *upstream: Tensor) -> tuple[Tensor | None, ...]:
        logits, label, *totals = ctx.saved_tensors
        total, sizes, align_corners = ctx.arguments
        blocks = UpsampledBlocks(logits, tuple(label.shape[-2:]), align_corners)
        gradient = BlockGradient(blocks)
        for place in blocks:
            scores = blocks.read(*place)
            slopes = gradient.memory(*place, scores)
            groups = zip(scores.split(sizes), totals, slopes.split(sizes), upstream, strict=True)
            for part, found, out, factor in groups:
                total.slopes(part, found[place], out).mul_(factor[place])
            slopes.scatter_add_(0, label[place].unsqueeze(0), upstream_own[place].unsqueeze(0))
            gradient.put(*place, slopes)
        return gradient.total.to(logits.dtype), None, None, None, None


class _PixelLosses(torch.autograd.Function):
    """The map of losses; the gradient is computed in the backward pass."""

    @staticmethod
    def forward(
        ctx: Any,
        logits: Tensor,
        formula: Formula,
        derivative: Derivative,
        size: tuple[int, ...],
        align_corners: bool,
        *others: Tensor,
    ) -> Tensor:
        ctx.save_for_backward(logits, *others)
        ctx.arguments = derivative, size, align_corners
        loss = logits.new_empty((len(logits), *size), dtype=wide_type(logits))
        for place, pixels in _Blocks(logits, others, size, align_corners):
            loss[place] = formula(*pixels)
        return loss

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, upstream: Tensor) -> tuple[Tensor | None, ...]:
        logits, *others = ctx.saved_tensors
        derivative, size, align_corners = ctx.arguments
        blocks = _Blocks(logits, others, size, align_corners)
        gradient = BlockGradient(blocks.scores)
        for place, pixels in blocks:
            gradient.put(*place, derivative(*pixels)[1](upstream[place]))
        return (gradient.total.to(logits.dtype), *(None,) * (4 + len(others)))


class _MeanPixelLoss(torch.autograd.Function):
    """The mean, whose gradient is computed along with it."""

    @staticmethod
    def forward(
        ctx: Any,
        logits: Tensor,
        formula: Formula,
        derivative: Derivative,
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
                loss, gradient_of = derivative(*pixels)
                gradient.put(*place, gradient_of(share))
                del gradient_of  # and with it what the block has left behind
            total += loss.sum()
        if gradient is not None:
            ctx.save_for_backward(gradient.total)
        ctx.dtype, ctx.number_of_others = logits.dtype, len(others)
        return total / number

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, upstream: Tensor) -> tuple[Tensor | None, ...]:
        (gradient,) = ctx.saved_tensors
        return ((gradient * upstream).to(ctx.dtype), *(None,) * (5 + ctx.number_of_others))


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
