"""The MiB family's backbone."""

from __future__ import annotations

import pytest
import torch
from mmseg.models.backbones import ResNet
from torch import nn

from mmciss.models.backbones import LeakyResNet

OPTIONS = dict(depth=18, stem_channels=4, base_channels=4, norm_cfg=dict(type='BN'))


def stage(layer: nn.Module, x: torch.Tensor, slope: float) -> torch.Tensor:
    """Computes a stage of two-layer blocks from its layers."""

    def leaky(y: torch.Tensor) -> torch.Tensor:
        return torch.where(y > 0, y, slope * y)

    for block in layer:
        shortcut = x if block.downsample is None else block.downsample(x)
        x = leaky(block.bn2(block.conv2(leaky(block.bn1(block.conv1(x))))) + shortcut)
    return x


@pytest.mark.parametrize(('slope', 'stem'), [(0.01, True), (0.2, False)])
def test_every_activation_is_leaky(slope: float, stem: bool) -> None:
    torch.manual_seed(0)
    net = LeakyResNet(negative_slope=slope, stem_activation=stem, **OPTIONS).double()
    net.train()
    images = torch.randn(2, 3, 32, 32, dtype=torch.float64)
    x = net.bn1(net.conv1(images))
    x = net.maxpool(torch.where(x > 0, x, slope * x) if stem else x)
    for name, found in zip(net.res_layers, net(images), strict=True):
        x = stage(net.get_submodule(name), x, slope)
        torch.testing.assert_close(found, x)


def test_a_resnets_weights_fit() -> None:
    assert LeakyResNet(**OPTIONS).state_dict().keys() == ResNet(**OPTIONS).state_dict().keys()
