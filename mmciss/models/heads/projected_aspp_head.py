"""DeepLabV3's head with a 1x1 projection of the pyramid, as DKD and SSUL use it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mmcv.cnn import ConvModule
from mmseg.models.decode_heads import ASPPHead
from mmseg.registry import MODELS
from torch import Tensor, nn


@MODELS.register_module()
class ProjectedASPPHead(ASPPHead):
    """Atrous spatial pyramid pooling that joins its branches with a 1x1 convolution, then dropout and a 3x3 one.

    DeepLabV3 (Chen et al., arXiv 1706.05587) in torchvision's form. MMSegmentation's own head joins the branches with
    a 3x3 convolution and drops whole channels of its output.

    Args:
        dilations: Dilation rates of the branches; image pooling is one more.
        last_conv: Whether a 3x3 convolution, batch norm and ReLU follow (DKD). Without them the embedding is the
            projection (SSUL, where every step adds a 3x3 convolution of its own).
        dropout_ratio: Share of the values of the projection that dropout zeroes.
        **kwargs: Arguments of :class:`mmseg.models.decode_heads.BaseDecodeHead`.
    """

    def __init__(
        self,
        dilations: Sequence[int] = (1, 6, 12, 18),
        last_conv: bool = True,
        dropout_ratio: float = 0.1,
        **kwargs: Any,
    ) -> None:
        super().__init__(dilations=tuple(dilations), dropout_ratio=0, **kwargs)
        layers = dict(conv_cfg=self.conv_cfg, norm_cfg=self.norm_cfg, act_cfg=self.act_cfg)
        self.bottleneck = ConvModule((len(dilations) + 1) * self.channels, self.channels, 1, **layers)
        self.projection_dropout = nn.Dropout(dropout_ratio)
        self.last_conv = (
            ConvModule(self.channels, self.channels, 3, padding=1, **layers) if last_conv else nn.Identity()
        )

    def _forward_feature(self, inputs: Sequence[Tensor]) -> Tensor:
        """Returns the embedding ``(N, D, h, w)`` of the backbone's maps."""
        return self.last_conv(self.projection_dropout(super()._forward_feature(inputs)))
