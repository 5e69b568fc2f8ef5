"""The head of DKD and SSUL, layer by layer."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mmciss.models.classifiers import find_growable
from mmciss.models.classifiers.export import plain_layers
from mmciss.models.classifiers.grow import grow_head
from mmciss.models.heads import ProjectedASPPHead

OPTIONS = dict(in_channels=6, channels=4, num_classes=3, dilations=(1, 2), norm_cfg=dict(type='BN'))


def activated(conv: nn.Module, x: Tensor, **options: int) -> Tensor:
    norm = conv.bn
    x = F.conv2d(x, conv.conv.weight, None, **options)
    x = (x - norm.running_mean.view(1, -1, 1, 1)) / (norm.running_var.view(1, -1, 1, 1) + norm.eps).sqrt()
    return (x * norm.weight.view(1, -1, 1, 1) + norm.bias.view(1, -1, 1, 1)).clamp(min=0)


@pytest.mark.parametrize('last_conv', [True, False])
def test_layers(last_conv: bool) -> None:
    torch.manual_seed(0)
    head = ProjectedASPPHead(last_conv=last_conv, **OPTIONS).double().eval()
    for name, tensor in head.state_dict().items():
        if 'running' in name:
            tensor.uniform_(0.5, 2.0)
    x = torch.randn(2, 6, 5, 5, dtype=torch.float64)
    pooled = activated(head.image_pool[1], x.mean((2, 3), keepdim=True)).expand(-1, -1, 5, 5)
    branches = [pooled, activated(head.aspp_modules[0], x), activated(head.aspp_modules[1], x, padding=2, dilation=2)]
    embedding = activated(head.bottleneck, torch.cat(branches, 1))
    assert head.bottleneck.conv.kernel_size == (1, 1)
    if last_conv:
        embedding = activated(head.last_conv, embedding, padding=1)
    torch.testing.assert_close(head([x]), head.conv_seg(embedding))


def test_dropout_takes_values_out_of_the_projection_while_it_trains() -> None:
    torch.manual_seed(0)
    head = ProjectedASPPHead(last_conv=False, dropout_ratio=0.5, **OPTIONS)
    assert head.dropout is None and head.projection_dropout.p == 0.5
    x = torch.randn(4, 6, 8, 8)
    head.bottleneck.bn.bias.data.fill_(9.0)  # so that nothing else is zero
    share = (head.train()._forward_feature([x]) == 0).float().mean()
    assert 0.4 < share < 0.6 and (head.eval()._forward_feature([x]) != 0).all()


def test_it_grows() -> None:
    assert find_growable(dict(type='ProjectedASPPHead', **OPTIONS)) == ['conv_seg']


def test_every_convolution_starts_as_in_the_releases() -> None:
    """Kaiming's normal by inputs, rows and auxiliary channel among them; biases of rows as torch draws them."""
    torch.manual_seed(0)
    head = ProjectedASPPHead(**(OPTIONS | dict(in_channels=64, channels=64, num_classes=21)))
    grow_head(head, ['conv_seg'], (16, 5), 1)
    with plain_layers(head):
        head.init_weights()
    rows = head.conv_seg
    convolutions = {name: module for name, module in head.named_modules() if isinstance(module, nn.Conv2d)}
    assert {'bottleneck.conv', 'last_conv.conv', 'conv_seg.steps.0', 'conv_seg.auxiliary'} < set(convolutions)
    for name, module in convolutions.items():
        inputs = module.weight[0].numel()
        scaled = module.weight.detach().flatten() * (inputs / 2) ** 0.5
        assert scaled.std().item() == pytest.approx(1, abs=4 / len(scaled) ** 0.5), name
        # Normal, not uniform: a third lies farther out than one deviation, some farther than the square root of three.
        assert 0.15 < (scaled.abs() > 1).float().mean() < 0.5 and scaled.abs().max() > 3**0.5, name
    biases = torch.cat([rows.steps[0].bias, rows.steps[1].bias, rows.auxiliary.bias])
    assert 0.3 / 8 < biases.abs().mean() < 0.7 / 8 and biases.abs().max() <= 1 / 8


def test_another_start_can_be_asked_for() -> None:
    head = ProjectedASPPHead(
        **OPTIONS, init_cfg=dict(type='Normal', std=0.01, bias=-4.0, override=dict(name='conv_seg'))
    )
    head.init_weights()
    assert (head.conv_seg.bias == -4).all() and head.conv_seg.weight.abs().max() < 0.1
