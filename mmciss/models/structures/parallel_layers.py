"""A convolution and its batch norm in two parallel branches, and how they are merged into one."""

from __future__ import annotations

import copy
import math
from typing import Any

import torch
from torch import Tensor, nn

from mmciss.functional import ConvNorm, merge_parallel_branches
from mmciss.utils.private_api import AdaptsState


class Parallel(AdaptsState):
    """Two copies of a layer, ``branches.0`` and ``branches.1``; the weights of a single layer load into both.

    Args:
        layer: The layer; it becomes the first branch.
    """

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.branches = nn.ModuleList([layer, copy.deepcopy(layer)])

    def adapt_state(self, state: dict[str, Any], prefix: str, errors: list[str]) -> None:
        """Gives the weights of a single layer to both branches."""
        for name in [name for name in state if name.startswith(prefix)]:
            leaf = name.removeprefix(prefix)
            if not leaf.startswith('branches.'):
                tensor = state.pop(name)
                state.update({f'{prefix}branches.{i}.{leaf}': tensor for i in range(2)})


class ParallelConv(Parallel):
    """Two convolutions of the same input, for the :class:`ParallelNorm` that follows."""

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Returns both outputs."""
        return self.branches[0](x), self.branches[1](x)


class ParallelNorm(Parallel):
    """Two batch norms, and the average of the branches.

    In training every channel takes the first branch alone, the second alone, or their average, drawn anew for each
    batch (RCIL, CVPR 2022, arXiv 2203.05402).

    Args:
        norm: The batch norm.
        alone: Probability of the first branch alone, and that of the second.
    """

    def __init__(self, norm: nn.Module, alone: float = 0.33) -> None:
        super().__init__(norm)
        self.alone = alone
        self.frozen = False

    def forward(self, maps: tuple[Tensor, Tensor]) -> Tensor:
        """Joins the branches ``(N, C, H, W)``."""
        first, second = (norm(part) for norm, part in zip(self.branches, maps, strict=True))
        if not self.training:
            return (first + second) / 2
        drawn = torch.rand(1, first.shape[1], 1, 1, device=first.device)
        share = torch.full_like(drawn, 0.5, dtype=first.dtype)
        share[drawn < self.alone] = 1
        share[(drawn >= self.alone) & (drawn < 2 * self.alone)] = 0
        return first * share + second * (1 - share)

    def train(self, mode: bool = True) -> ParallelNorm:
        """Sets the mode; a frozen first branch keeps its running statistics."""
        super().train(mode)
        if self.frozen:
            self.branches[0].eval()
        return self


def freeze_first(conv: ParallelConv, norm: ParallelNorm) -> None:
    """Freezes the first branch, statistics included."""
    conv.branches[0].requires_grad_(False)
    norm.branches[0].requires_grad_(False)
    norm.frozen = True
    norm.train(norm.training)


def merge_layers(conv: ParallelConv, norm: ParallelNorm) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Returns the plain convolution and batch norm that give the average of both branches.

    The merged kernel K and bias b of :func:`~mmciss.functional.merge_parallel_branches` need a convolution with a
    bias, but a ResNet has a batch norm instead. For any scale s per channel,
    ``(K x - m) / sqrt(s^2) * s + (b + m)`` is exactly ``K x + b``. With m the mean of ``K x`` and s near its standard
    deviation, the batch norm has the statistics of the merged layer's output, so that the exported model can be
    trained further.

    Args:
        conv: The convolutions.
        norm: The batch norms.
    """
    first, second = (_conv_norm(conv.branches[i], norm.branches[i]) for i in range(2))
    kernel, bias = merge_parallel_branches(first, second)
    eps: float = norm.branches[0].eps  # type: ignore[assignment]
    scale = ((first.gamma.abs() + second.gamma.abs()) / 2).clamp(min=math.sqrt(2 * eps))
    beta = (first.beta + second.beta) / 2
    plain_conv, plain_norm = (dict(layer.branches[1].state_dict()) for layer in (conv, norm))
    found = {'weight': kernel, 'bias': torch.zeros_like(bias)}
    plain_conv = {leaf: found[leaf].to(tensor) for leaf, tensor in plain_conv.items()}
    found = {'weight': scale, 'bias': beta, 'running_mean': beta - bias, 'running_var': scale.square() - eps}
    plain_norm = {leaf: found[leaf].to(tensor) if leaf in found else tensor for leaf, tensor in plain_norm.items()}
    return plain_conv, plain_norm


def _conv_norm(conv: Any, norm: Any) -> ConvNorm:
    values = conv.weight, norm.weight, norm.bias, norm.running_mean, norm.running_var
    kernel, gamma, beta, mean, variance = (value.detach().double() for value in values)
    bias = None if conv.bias is None else conv.bias.detach().double()
    return ConvNorm(kernel, gamma, beta, mean, variance, norm.eps, bias)
