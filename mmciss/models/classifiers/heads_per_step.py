"""A classifier whose steps each have layers of their own before their rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from mmcv.cnn import build_norm_layer
from mmseg.registry import MODELS
from torch import Tensor, nn

from mmciss.errors import ConfigError
from mmciss.models.classifiers.growable import Growable


class StepHead(nn.Conv2d):
    """A 3x3 convolution, batch norm and ReLU before the rows of some classes; ``weight`` and ``bias`` are the rows.

    Args:
        in_channels: Channels D of the embedding.
        rows: Number of classes.
        channels: Width of the convolution.
        norm_cfg: The norm.
    """

    def __init__(self, in_channels: int, rows: int, channels: int, norm_cfg: dict[str, Any]) -> None:
        super().__init__(channels, rows, 1)
        self.conv = nn.Conv2d(in_channels, channels, 3, padding=1, bias=False)
        self.norm = build_norm_layer(norm_cfg, channels)[1]
        for layer in (self, self.conv):
            nn.init.kaiming_normal_(layer.weight)

    def forward(self, embedding: Tensor) -> Tensor:
        """Returns logits ``(N, rows, h, w)`` of an embedding ``(N, D, h, w)``."""
        return super().forward(F.relu(self.norm(self.conv(embedding)), inplace=True))


class HeadsPerStep(Growable):
    """A head for every step, one for the background and one for the auxiliary channels, see :class:`StepHead`.

    Args:
        in_channels: Channels D of the embedding.
        sizes: Channels added by each step, the background counted.
        channels: Width of every head; None for that of the embedding.
        norm_cfg: The norm of every head.
        background: Whether channel 0 is the background, which has a head of its own then.
        auxiliary: Number of channels that are no class.
        detach_auxiliary: Whether auxiliary channels leave the embedding without gradient.

    Examples:
        >>> layer = HeadsPerStep(8, (16, 1))
        >>> layer(torch.zeros(2, 8, 4, 4)).shape
        torch.Size([2, 17, 4, 4])
        >>> len(layer.background.weight), len(layer.steps[0].weight)
        (1, 15)
    """

    linear = False

    def __init__(
        self,
        in_channels: int,
        sizes: Sequence[int],
        channels: int | None = None,
        norm_cfg: dict[str, Any] | None = None,
        background: bool = True,
        auxiliary: int = 0,
        detach_auxiliary: bool = True,
    ) -> None:
        width = channels or in_channels
        norm = dict(norm_cfg or dict(type='BN'))
        super().__init__(
            sizes,
            lambda rows: StepHead(in_channels, rows, width, norm),
            auxiliary,
            detach_auxiliary,
            background=background,
        )
        self.in_channels = in_channels
        self.norms_frozen = False

    def forward(self, x: Tensor) -> Tensor:
        """Returns the logits ``(N, C, h, w)`` of an embedding ``(N, D, h, w)``."""
        return torch.cat([group(x) for group in self.output_groups], 1)

    def exported(self) -> dict[str, Tensor]:
        """Returns the weights of the heads by name; auxiliary channels are left out."""
        return {
            name: tensor.detach() for name, tensor in self.state_dict().items() if not name.startswith('auxiliary.')
        }

    def freeze_norms(self) -> None:
        """Holds weights and statistics of all batch norms, until training ends."""
        self.norms_frozen = True
        for norm in self._norms():
            norm.requires_grad_(False)
        self.train(self.training)

    def _norms(self) -> list[nn.Module]:
        return [module.norm for module in self.modules() if isinstance(module, StepHead)]

    def train(self, mode: bool = True) -> HeadsPerStep:
        """Sets the mode; frozen norms keep their running statistics."""
        super().train(mode)
        if self.norms_frozen:
            for norm in self._norms():
                norm.eval()
        return self


@MODELS.register_module(name='HeadWithHeadsPerStep')
def head_with_heads_per_step(
    head: dict[str, Any], sizes: Sequence[int], channels: int | None = None, background: bool = True
) -> nn.Module:
    """Builds a decode head of an exported model, whose ``conv_seg`` is :class:`HeadsPerStep`.

    Args:
        head: Config of the decode head.
        sizes: Channels added by each step.
        channels: Width of every step's head.
        background: Whether channel 0 is the background.

    Raises:
        ConfigError: If the sizes are not the classes of the head.
    """
    built = MODELS.build(head)
    if sum(sizes) != built.num_classes:
        raise ConfigError(
            f'model.decode_head.sizes: {list(sizes)} are {sum(sizes)} channels, but '
            f'model.decode_head.head.num_classes={built.num_classes}. A model whose steps have heads of '
            f'their own cannot be extended; one that was trained with method.structure=None can'
        )
    built.conv_seg = HeadsPerStep(built.conv_seg.in_channels, sizes, channels, built.norm_cfg, background)
    return built
