"""Merges two parallel convolutions with batch norm into one convolution."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor


class ConvNorm(NamedTuple):
    """A convolution followed by batch norm in evaluation mode.

    Attributes:
        kernel: Shape ``(O, I, kH, kW)``.
        gamma: Scale of the norm, ``(O,)``. In-place activated batch norm scales by ``|gamma| + eps``; pass that.
        beta: Shift of the norm, ``(O,)``.
        mean: Running mean, ``(O,)``.
        variance: Running variance, ``(O,)``.
        eps: Added to the variance.
        bias: Bias of the convolution, ``(O,)``, or None.
    """

    kernel: Tensor
    gamma: Tensor
    beta: Tensor
    mean: Tensor
    variance: Tensor
    eps: float = 1e-5
    bias: Tensor | None = None

    def fused(self) -> tuple[Tensor, Tensor]:
        """Returns kernel and bias of the equivalent single convolution."""
        scale = self.gamma / torch.sqrt(self.variance + self.eps)
        shift = self.mean if self.bias is None else self.mean - self.bias
        return self.kernel * scale.view(-1, 1, 1, 1), self.beta - shift * scale


def merge_parallel_branches(first: ConvNorm, second: ConvNorm) -> tuple[Tensor, Tensor]:
    """Merges the average of two branches, RCIL's re-parameterisation (arXiv 2203.05402).

    Args:
        first: One branch.
        second: The other, with the same stride, padding and dilation.

    Returns:
        Kernel ``(O, I, kH, kW)`` and bias ``(O,)`` of a convolution equal to half the sum of the branches.

    Raises:
        ValueError: If the kernels differ in shape.
    """
    if first.kernel.shape != second.kernel.shape:
        raise ValueError(
            f'branches with kernels {tuple(first.kernel.shape)} and {tuple(second.kernel.shape)} cannot be merged'
        )
    (kernel, bias), (other_kernel, other_bias) = first.fused(), second.fused()
    return (kernel + other_kernel) / 2, (bias + other_bias) / 2
