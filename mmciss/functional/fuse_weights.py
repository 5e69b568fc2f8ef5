"""Fusion of weights: of the old and the new model (EWF), and of two branches of a layer (RCIL)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor


def balance_factor(num_old: int, num_seen: int, power: float = 0.5) -> float:
    r"""Returns the weight of the old model when fusing, :math:`1 - \beta`.

    Endpoints Weight Fusion (CVPR 2023) gives the trained weights :math:`\beta = \sqrt{N / C}` with N new classes of C
    channels known after the step, as its release does: the more the old model knows, the more it weighs. The background
    counts as a channel.

    Args:
        num_old: Channels known before the step, ``C - N``.
        num_seen: Channels known after it, ``C``.
        power: Exponent of ``N / C``. 0.5 is the release's; 1 weighs both models by their channels.

    Raises:
        ValueError: Unless ``0 <= num_old <= num_seen``, ``num_seen > 0`` and ``power >= 0``.

    Examples:
        >>> round(balance_factor(16, 17), 3)  # the first step of VOC 15-1
        0.757
    """
    if not 0 <= num_old <= num_seen or not num_seen:
        raise ValueError(
            f'num_old = {num_old} and num_seen = {num_seen}: must be 0 <= num_old <= num_seen and num_seen > 0'
        )
    if power < 0:
        raise ValueError(f'power = {power} must not be negative')
    return 1 - ((num_seen - num_old) / num_seen) ** power


def fuse_weights(old: Mapping[str, Tensor], new: Mapping[str, Tensor], alpha: float) -> dict[str, Tensor]:
    """Fuses two models, EWF (Endpoints Weight Fusion for CISS, CVPR 2023).

    ``alpha * old + (1 - alpha) * new`` for every floating-point tensor. Where a tensor of the new model has more rows
    (the classifier), the new rows stay as they are. Tensors that the old model lacks, and integers such as batch
    counters, are the new model's.

    Args:
        old: State of the model before the step.
        new: State after training.
        alpha: Weight of the old model in ``[0, 1]``, see :func:`balance_factor`.

    Returns:
        The fused state, with the keys and order of ``new``; the inputs are not changed.

    Raises:
        ValueError: If ``alpha`` is outside ``[0, 1]``, or a tensor differs in more than its rows.
    """
    if not 0 <= alpha <= 1:
        raise ValueError(f'alpha: {alpha} is not in [0, 1]')
    return {name: _fuse(name, old.get(name), tensor, alpha) for name, tensor in new.items()}


def _fuse(name: str, old: Tensor | None, new: Tensor, alpha: float) -> Tensor:
    if old is None or not new.is_floating_point():
        return new.clone()
    grows = old.shape[1:] == new.shape[1:] and old.ndim and old.shape[0] < new.shape[0]
    if old.shape != new.shape and not grows:
        raise ValueError(
            f'{name}: old shape {tuple(old.shape)} and new shape {tuple(new.shape)} differ in more than new rows'
        )
    fused = new.clone()
    rows = fused[: len(old)] if grows else fused
    rows.lerp_(old.to(rows), alpha)
    return fused


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
