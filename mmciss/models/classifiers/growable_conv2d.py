"""The growable convolution, classifier of nearly every decode head."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn

from mmciss.models.classifiers.growable import Growable, joined_rows


class GrowableConv2d(Growable):
    """A convolution whose output channels arrive step by step, as one convolution in forward.

    Args:
        in_channels: Channels D of the embedding.
        sizes: Channels added by each step.
        kernel_size: Size of the kernel.
        auxiliary: Number of channels that are no class.
        detach_auxiliary: Whether auxiliary channels leave the embedding without gradient.
        rest: Number of rows behind those of the classes, which are part of the output.
        future: Number of rows of classes that later steps bring.
        **options: ``stride``, ``padding``, ``dilation``, ``bias``, ``device`` and ``dtype`` of
            :class:`torch.nn.Conv2d`.

    Examples:
        >>> import torch
        >>> layer = GrowableConv2d(8, (16, 1, 1))
        >>> layer(torch.zeros(2, 8, 4, 4)).shape
        torch.Size([2, 18, 4, 4])
        >>> [name for name, _ in layer.named_parameters()][:2]
        ['steps.0.weight', 'steps.0.bias']
    """

    def __init__(
        self,
        in_channels: int,
        sizes: Sequence[int],
        kernel_size: int | tuple[int, int] = 1,
        auxiliary: int = 0,
        detach_auxiliary: bool = True,
        rest: int = 0,
        future: int = 0,
        **options: Any,
    ) -> None:
        super().__init__(
            sizes,
            lambda out: nn.Conv2d(in_channels, out, kernel_size, **options),
            auxiliary,
            detach_auxiliary,
            rest,
            future,
        )
        first = self.steps[0]
        self.in_channels = in_channels
        self.kernel_size, self.stride = first.kernel_size, first.stride
        self.padding, self.dilation = first.padding, first.dilation

    def forward(self, x: Tensor) -> Tensor:
        """Returns the logits ``(N, C, h, w)`` of an embedding ``(N, D, h, w)``."""
        return F.conv2d(x, *joined_rows(self.output_groups), self.stride, self.padding, self.dilation)
