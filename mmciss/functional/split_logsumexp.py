"""Log-sum-exps of old and of new channels, and each pixel's own score, in one pass over the scores."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from .exponentials import exp_of_negatives
from .upsampled_blocks import BlockGradient, UpsampledBlocks, block_shape, view_of


class SplitLogSumExp(NamedTuple):
    """Maps ``(N, H, W)``: over the first channels, over the others, and of the label's channel.

    A slice without a channel gives ``-inf``.
    """

    old: Tensor
    new: Tensor
    own: Tensor


def split_logsumexp(logits: Tensor, label: Tensor, num_old: int, align_corners: bool = False) -> SplitLogSumExp:
    """Computes what every cross-entropy with a merged background is made of.

    The backward pass computes exponentials again, so nothing as large as the logits is kept, and
    writes each number of the gradient once.

    Args:
        logits: Scores, shape ``(N, C, h, w)``, upsampled bilinearly where ``(h, w)`` is not the
            size of the labels.
        label: A channel for each pixel, shape ``(N, H, W)``.
        num_old: Where the channels are split.
        align_corners: How scores are upsampled.
    """
    return SplitLogSumExp(*_SplitLogSumExp.apply(logits, label, num_old, align_corners))


class _SplitLogSumExp(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, logits: Tensor, label: Tensor, num_old: int, align_corners: bool
    ) -> tuple[Tensor, Tensor, Tensor]:
        size = tuple(label.shape[-2:])
        # One image at a time: its scores are read, and its gradient is written, where they are.
        shape = 1, block_shape(logits.shape, size, logits.device)[1]
        blocks = UpsampledBlocks(logits, size, align_corners, shape)
        scratch = torch.empty_like(blocks.buffer)
        old, new, own = maps = [blocks.buffer.new_empty(label.shape) for _ in range(3)]
        for place in blocks:
            scores = blocks.read(*place)
            work = view_of(scratch, scores.shape)
            _logsumexp(scores[:num_old], work[:num_old], old[place])
            _logsumexp(scores[num_old:], work[num_old:], new[place])
            own[place] = scores.gather(0, label[place].unsqueeze(0))[0]
        ctx.save_for_backward(logits, label, old, new)
        ctx.arguments = num_old, align_corners, shape
        return tuple(maps)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_old: Tensor, grad_new: Tensor, grad_own: Tensor) -> tuple[Tensor | None, ...]:
        logits, label, old, new = ctx.saved_tensors
        num_old, *rest = ctx.arguments
        blocks = UpsampledBlocks(logits, tuple(label.shape[-2:]), *rest)
        gradient = BlockGradient(blocks)
        for place in blocks:
            scores = blocks.read(*place)
            out = gradient.place(*place)
            for part, total, upstream in ((slice(num_old), old, grad_old), (slice(num_old, None), new, grad_new)):
                if len(scores[part]):
                    share = exp_of_negatives(torch.sub(scores[part], total[place], out=out[part]))
                    share *= upstream[place]
            out.scatter_add_(0, label[place].unsqueeze(0), grad_own[place].unsqueeze(0))
            gradient.done(*place)
        return gradient.total.to(logits.dtype), None, None, None


def _logsumexp(scores: Tensor, scratch: Tensor, out: Tensor) -> None:
    """Writes the log-sum-exp over channels of ``(C, ...)`` to ``out``, without new memory."""
    if len(scores) < 2:
        out.copy_(scores[0]) if len(scores) else out.fill_(-torch.inf)
        return
    highest = scores.amax(0)
    exp_of_negatives(torch.sub(scores, highest, out=scratch))
    torch.sum(scratch, 0, out=out).log_().add_(highest)
