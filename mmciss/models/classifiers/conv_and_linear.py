"""Growable convolutions and the growable linear layer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import torch.nn.functional as F
from torch import Tensor, nn

from mmciss.models.classifiers.growable import Growable, joined_rows


class GrowableConv(Growable):
    """What the growable convolutions share.

    Args:
        in_channels: Channels D of the embedding.
        sizes: Channels added by each step.
        kernel_size: Size of the kernel.
        auxiliary: Number of auxiliary channels, which are not classes.
        detach_auxiliary: Whether auxiliary channels send no gradient into the embedding.
        rest: Number of rows after the classes that are part of the output.
        future: Number of rows for classes of later steps.
        **options: ``stride``, ``padding``, ``dilation``, ``bias``, ``device`` and ``dtype`` of the convolution.
    """

    _layer: ClassVar[type[nn.Module]]
    _function: ClassVar[Callable[..., Tensor]]

    def __init__(
        self,
        in_channels: int,
        sizes: Sequence[int],
        kernel_size: int | tuple[int, ...] = 1,
        auxiliary: int = 0,
        detach_auxiliary: bool = True,
        rest: int = 0,
        future: int = 0,
        **options: Any,
    ) -> None:
        def new_layer(rows: int) -> nn.Module:
            return self._layer(in_channels, rows, kernel_size, **options)

        super().__init__(sizes, new_layer, auxiliary, detach_auxiliary, rest, future)
        first = self.steps[0]
        self.in_channels = in_channels
        self.kernel_size, self.stride = first.kernel_size, first.stride
        self.padding, self.dilation = first.padding, first.dilation

    def forward(self, x: Tensor) -> Tensor:
        """Returns the logits ``(N, C, ...)`` of an embedding ``(N, D, ...)``."""
        return self._function(x, *joined_rows(self.output_groups), self.stride, self.padding, self.dilation)


class GrowableConv1d(GrowableConv):
    """A growable convolution over a list of points, the classifier of PointRend; arguments of :class:`GrowableConv`.

    Examples:
        >>> import torch
        >>> GrowableConv1d(8, (16, 1, 1))(torch.zeros(2, 8, 5)).shape
        torch.Size([2, 18, 5])
    """

    _layer = nn.Conv1d
    _function = staticmethod(F.conv1d)


class GrowableConv2d(GrowableConv):
    """A growable convolution, the classifier of nearly every decode head; arguments of :class:`GrowableConv`.

    Examples:
        >>> import torch
        >>> layer = GrowableConv2d(8, (16, 1, 1))
        >>> layer(torch.zeros(2, 8, 4, 4)).shape
        torch.Size([2, 18, 4, 4])
        >>> [name for name, _ in layer.named_parameters()][:2]
        ['steps.0.weight', 'steps.0.bias']
    """

    _layer = nn.Conv2d
    _function = staticmethod(F.conv2d)


class GrowableLinear(Growable):
    """A growable fully connected layer, such as the presence classifier of EncNet.

    Args:
        in_features: Features D of the input.
        sizes: Outputs added by each step.
        auxiliary: Number of auxiliary outputs, which are not classes.
        detach_auxiliary: Whether auxiliary outputs send no gradient into the input.
        rest: Number of outputs after the classes.
        future: Number of outputs for classes of later steps.
        **options: ``bias``, ``device`` and ``dtype`` of :class:`torch.nn.Linear`.
    """

    def __init__(
        self,
        in_features: int,
        sizes: Sequence[int],
        auxiliary: int = 0,
        detach_auxiliary: bool = True,
        rest: int = 0,
        future: int = 0,
        **options: Any,
    ) -> None:
        def new_layer(rows: int) -> nn.Module:
            return nn.Linear(in_features, rows, **options)

        super().__init__(sizes, new_layer, auxiliary, detach_auxiliary, rest, future)
        self.in_features = in_features

    @property
    def out_features(self) -> int:
        """Number of outputs, under the name that :class:`torch.nn.Linear` gives it."""
        return self.out_channels + self.num_rest

    def forward(self, x: Tensor) -> Tensor:
        """Returns the logits ``(..., C)`` of ``(..., D)``."""
        return F.linear(x, *joined_rows(self.output_groups))
