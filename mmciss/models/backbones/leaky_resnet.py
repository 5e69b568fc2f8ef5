"""ResNet with leaky ReLUs."""

from __future__ import annotations

from typing import Any

from mmseg.models.backbones import ResNet
from mmseg.registry import MODELS
from torch import nn


@MODELS.register_module()
class LeakyResNet(ResNet):
    """MMSegmentation's ResNet with leaky ReLU instead of every ReLU.

    The MiB family uses activated batch norm: batch norm that scales by the absolute value of its weight, then a leaky
    ReLU of slope 0.01. If the weight is positive, batch norm and a leaky ReLU are the same function, and need no
    compiled operation. Parameters have the names of a ResNet's, so pretrained weights load.

    Args:
        negative_slope: Slope below 0.
        stem_activation: Whether the batch norm after the first convolution is activated; in RCIL it is not.
        **kwargs: Arguments of :class:`mmseg.models.backbones.ResNet`.
    """

    def __init__(self, negative_slope: float = 0.01, stem_activation: bool = True, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        for module in list(self.modules()):
            for name, child in list(module.named_children()):
                if isinstance(child, nn.ReLU):
                    setattr(module, name, nn.LeakyReLU(negative_slope, inplace=True))
        if not stem_activation:
            self.relu = nn.Identity()
