from __future__ import annotations

import copy

import pytest
import torch
from mmseg.models import ResNetV1c
from torch import nn

from mmciss.errors import ConfigError
from mmciss.models.taps import FeatureTap, check_names


class Twice(nn.Module):
    """Calls one in-place ReLU twice, as a residual block does."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 1, 1, bias=False)
        self.relu = nn.ReLU(inplace=True)
        nn.init.constant_(self.conv.weight, -2.0)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out = self.conv(self.relu(self.conv(x)))
        out = out + x - 7
        return self.relu(out)


def test_records_outputs_and_inputs() -> None:
    net = nn.Sequential(nn.Conv2d(2, 3, 1), nn.Conv2d(3, 4, 1))
    x = torch.randn(1, 2, 2, 2)
    with FeatureTap(net, ['0', '1', '1:input', '1:output']) as tap:
        y = net(x)
    assert tap.records['1'] is y and tap.records['1:output'] is y
    assert tap.records['1:input'] is tap.records['0']


def test_keyword_inputs_are_found() -> None:
    net = nn.Linear(2, 2)
    with FeatureTap(net, [':input']) as tap:
        net(input=torch.ones(1, 2))
    assert torch.equal(tap.records[':input'], torch.ones(1, 2))


def test_last_input_of_an_in_place_relu_is_kept_unspoilt() -> None:
    net, x = Twice(), torch.full((1, 1, 1, 1), 3.0)
    with FeatureTap(net, ['relu:input', 'relu']) as tap:
        net(x)
    # conv(3) = -6, relu 0, conv 0, + 3 - 7 = -4: the second and last input of relu.
    assert tap.records['relu:input'].item() == -4
    assert tap.records['relu'].item() == 0


def test_residual_sum_of_a_resnet_is_before_its_activation() -> None:
    torch.manual_seed(0)
    net = ResNetV1c(depth=18, stem_channels=4, base_channels=4, norm_cfg=dict(type='BN'))
    net.eval()
    with torch.no_grad(), FeatureTap(net, ['layer1.1.relu:input', 'layer1']) as tap:
        net(torch.randn(1, 3, 16, 16))
    before, after = tap.records['layer1.1.relu:input'], tap.records['layer1']
    assert (before < 0).any()
    assert torch.equal(before.relu(), after)


def test_gradient_flows_through_a_cloned_record() -> None:
    net, x = Twice(), torch.full((1, 1, 1, 1), 3.0, requires_grad=True)
    with FeatureTap(net, ['relu:input']) as tap:
        net(x)
    tap.records['relu:input'].sum().backward()
    assert x.grad.item() == 1


@pytest.mark.parametrize('clone', [True, ['0']])
def test_clone_protects_from_a_later_in_place_operation(clone: bool | list[str]) -> None:
    net = nn.Sequential(nn.Identity(), nn.ReLU(inplace=True))
    with FeatureTap(net, ['0'], clone=clone) as tap:
        net(torch.full((1,), -1.0))
    assert tap.records['0'].item() == -1
    with FeatureTap(net, ['0']) as tap:
        net(torch.full((1,), -1.0))
    assert tap.records['0'].item() == 0


def test_hooks_are_gone_afterwards_even_after_an_error() -> None:
    net = nn.Sequential(nn.Linear(2, 2))
    with pytest.raises(RuntimeError), FeatureTap(net, ['0', '0:input']):
        net(torch.zeros(1, 3))
    assert not net[0]._forward_hooks and not net[0]._forward_pre_hooks


def test_a_wrong_name_leaves_no_hook() -> None:
    net = nn.Sequential(nn.Linear(2, 2))
    with pytest.raises(ConfigError), FeatureTap(net, ['0', 'nothing']):
        pass
    assert not net[0]._forward_hooks


def test_a_copy_of_the_model_is_not_recorded() -> None:
    net = nn.Sequential(nn.Linear(2, 2))
    with FeatureTap(net, ['0']) as tap:
        other = copy.deepcopy(net)
        net(torch.zeros(1, 2))
        record = tap.records['0']
        other(torch.ones(1, 2))
    assert tap.records['0'] is record
    copy.deepcopy(net)


def test_entering_again_starts_empty() -> None:
    net = nn.Sequential(nn.Linear(2, 2))
    tap = FeatureTap(net, ['0'])
    with tap:
        net(torch.zeros(1, 2))
    with tap:
        pass
    assert tap.records == {}


def test_errors_name_key_close_matches_and_children() -> None:
    net = nn.Sequential()
    net.add_module('backbone', nn.Sequential(nn.Linear(1, 1), nn.Linear(1, 1)))
    check_names(net, ['backbone.0', 'backbone.1:input'])
    with pytest.raises(ConfigError, match=r"method.losses.pod.layers.*'backbon.1'.*'backbone.1'"):
        check_names(net, ['backbon.1'], key='method.losses.pod.layers')
    with pytest.raises(ConfigError, match=r'backbone has: 0, 1'):
        check_names(net, ['backbone.layer4'])
    with pytest.raises(ConfigError, match=r"'backbone:inputs'.*output, input"):
        check_names(net, ['backbone:inputs'])
