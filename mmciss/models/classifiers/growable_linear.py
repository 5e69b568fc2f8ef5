"""The growable fully connected layer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn

from mmciss.models.classifiers.growable import Growable, joined_rows


class GrowableLinear(Growable):
    """A linear layer whose outputs arrive step by step, such as the presence classifier of EncNet.

    Args:
        in_features: Features D of the input.
        sizes: Outputs added by each step.
        auxiliary: Number of outputs that are no class.
        detach_auxiliary: Whether auxiliary outputs leave the input without gradient.
        rest: Number of outputs behind those of the classes.
        future: Number of outputs of classes that later steps bring.
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
        super().__init__(
            sizes, lambda out: nn.Linear(in_features, out, **options), auxiliary, detach_auxiliary, rest, future
        )
        self.in_features = in_features

    @property
    def out_features(self) -> int:
        """Number of outputs, under the name that :class:`torch.nn.Linear` gives it."""
        return self.out_channels + self.num_rest

    def forward(self, x: Tensor) -> Tensor:
        """Returns the logits ``(..., C)`` of ``(..., D)``."""
        return F.linear(x, *joined_rows(self.output_groups))
