"""Variants of MMSegmentation's ASPP head that the methods' releases use."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from mmcv.cnn import ConvModule, build_activation_layer, build_norm_layer
from mmseg.models.decode_heads import ASPPHead
from mmseg.models.decode_heads.decode_head import BaseDecodeHead
from mmseg.registry import MODELS
from torch import Tensor, nn

INITIALISATIONS = ('xavier', 'torch')


@MODELS.register_module()
class AddedPoolASPPHead(BaseDecodeHead):
    r"""Atrous spatial pyramid pooling with four branches; the pooled branch is added to their reduction.

    The network of MiB (CVPR 2020), PLOP, AWT, RCIL and EWF. With :math:`B_i` the branches (``pyramid``: a 1x1
    convolution and dilated 3x3 ones), each with batch norm and activation a:

    .. math:: f = a(\mathrm{BN}(W_r [B_1, ..., B_4] + W_p\, a(\mathrm{BN}(W_g\, \mathrm{pool}(x)))))

    None of the convolutions has a bias. MMSegmentation's own ASPPHead has pooling as a fifth branch and joins all of
    them with a 3x3 convolution.

    In training the pool is the mean over the map. In tests it is the mean over a window of at most ``pool_size``
    pixels around each pixel; near the border, the nearest full window counts. That is the same mean on images of the
    size of training crops, and an equally local one on larger images.

    Args:
        dilations: Dilation of the branches; 1 stands for the 1x1 convolution.
        pool_size: Side of that window, in pixels of the map; None for the mean over the map. 32 is a crop of 512
            pixels at output stride 16.
        initialisation: ``'xavier'``: normal with the gain of a leaky ReLU of slope 0.01, as in the releases of the
            MiB family; ``'torch'``: torch's own, as in the release of SDR.
        **kwargs: Arguments of :class:`mmseg.models.decode_heads.decode_head.BaseDecodeHead`. ``act_cfg=None`` leaves
            activations out, as in the release of SDR.

    Raises:
        ValueError: If ``initialisation`` is unknown.
    """

    def __init__(
        self,
        dilations: Sequence[int] = (1, 6, 12, 18),
        pool_size: int | None = 32,
        initialisation: str = 'xavier',
        init_cfg: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(init_cfg=init_cfg, **kwargs)
        if initialisation not in INITIALISATIONS:
            raise ValueError(f'initialisation must be one of {INITIALISATIONS}, found {initialisation!r}')
        self.pool_size = pool_size
        self.initialisation = initialisation
        layers = dict(bias=False, norm_cfg=self.norm_cfg, act_cfg=self.act_cfg)
        self.pyramid = nn.ModuleList(
            ConvModule(
                self.in_channels,
                self.channels,
                1 if dilation == 1 else 3,
                dilation=dilation,
                padding=0 if dilation == 1 else dilation,
                **layers,
            )
            for dilation in dilations
        )
        self.reduce = nn.Conv2d(len(self.pyramid) * self.channels, self.channels, 1, bias=False)
        self.pooled = ConvModule(self.in_channels, self.channels, 1, **layers)
        self.pooled_reduce = nn.Conv2d(self.channels, self.channels, 1, bias=False)
        self.norm = build_norm_layer(self.norm_cfg, self.channels)[1]
        self.activation = build_activation_layer(self.act_cfg) if self.act_cfg else nn.Identity()

    def init_weights(self) -> None:
        """Draws the weights of every convolution; the classifier's as torch does."""
        super().init_weights()
        if self.init_cfg:
            return
        for name, module in self.named_modules():
            if not isinstance(module, nn.Conv2d):
                continue
            if self.initialisation == 'torch' or name.startswith('conv_seg'):
                module.reset_parameters()
            else:
                nn.init.xavier_normal_(module.weight, nn.init.calculate_gain('leaky_relu', 0.01))

    def forward(self, inputs: Sequence[Tensor]) -> Tensor:
        """Returns the scores ``(N, C, h, w)`` of the backbone's maps."""
        return self.cls_seg(self.embed(self._transform_inputs(inputs)))

    def embed(self, x: Tensor) -> Tensor:
        """Returns the embedding ``(N, D, h, w)`` of one map ``(N, D_in, h, w)``."""
        reduced = self.reduce(torch.cat([branch(x) for branch in self.pyramid], 1))
        pooled = self.pooled_reduce(self.pooled(self._pool(x)))
        return self.activation(self.norm(reduced + pooled))

    def _pool(self, x: Tensor) -> Tensor:
        if self.training or self.pool_size is None:
            return x.mean((2, 3), keepdim=True)
        height, width = (min(self.pool_size, side) for side in x.shape[-2:])
        padding = [(width - 1) // 2, width // 2, (height - 1) // 2, height // 2]
        return F.pad(F.avg_pool2d(x, (height, width), stride=1), padding, mode='replicate')


@MODELS.register_module()
class ProjectedASPPHead(ASPPHead):
    r"""Atrous spatial pyramid pooling that joins its branches with a 1x1 convolution, then dropout and a 3x3 one.

    DeepLabV3 (Chen et al., arXiv 1706.05587) in torchvision's form. MMSegmentation's own head joins the branches with
    a 3x3 convolution and drops whole channels of its output.

    Weights of all convolutions, the classifier's too, start normal with standard deviation :math:`\sqrt{2 / n}`, n
    inputs of each output, as in the releases of DKD and SSUL; the classifier's biases as torch draws them.

    Args:
        dilations: Dilation rates of the branches; image pooling is one more.
        last_conv: Whether a 3x3 convolution, batch norm and ReLU follow (DKD). Without them the embedding is the
            projection (SSUL, where every step adds a 3x3 convolution of its own).
        dropout_ratio: Share of the values of the projection that dropout zeroes.
        init_cfg: MMSegmentation's kind of start, instead of that above.
        **kwargs: Arguments of :class:`mmseg.models.decode_heads.BaseDecodeHead`.
    """

    def __init__(
        self,
        dilations: Sequence[int] = (1, 6, 12, 18),
        last_conv: bool = True,
        dropout_ratio: float = 0.1,
        init_cfg: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(dilations=tuple(dilations), dropout_ratio=0, init_cfg=init_cfg, **kwargs)
        layers = dict(conv_cfg=self.conv_cfg, norm_cfg=self.norm_cfg, act_cfg=self.act_cfg)
        self.bottleneck = ConvModule((len(dilations) + 1) * self.channels, self.channels, 1, **layers)
        self.projection_dropout = nn.Dropout(dropout_ratio)
        self.last_conv = (
            ConvModule(self.channels, self.channels, 3, padding=1, **layers) if last_conv else nn.Identity()
        )

    def init_weights(self) -> None:
        """Draws the weights of every convolution."""
        super().init_weights()
        if self.init_cfg:
            return
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight)

    def _forward_feature(self, inputs: Sequence[Tensor]) -> Tensor:
        """Returns the embedding ``(N, D, h, w)`` of the backbone's maps."""
        return self.last_conv(self.projection_dropout(super()._forward_feature(inputs)))
