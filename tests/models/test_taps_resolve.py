"""Names of modules that count from the end."""

from __future__ import annotations

import pytest
import torch
from mmseg.models.backbones import ResNetV1c
from torch import nn

from mmciss.errors import ConfigError
from mmciss.models.taps import FeatureTap, check_names, resolve


@pytest.mark.parametrize(('depth', 'last'), [(18, 1), (50, 5), (101, 22)])
def test_last_block_of_any_depth(depth: int, last: int) -> None:
    with torch.device('meta'):
        root = nn.ModuleDict(dict(backbone=ResNetV1c(depth=depth, base_channels=8, stem_channels=8)))
    assert resolve(root, 'backbone.layer3.-1.relu') == f'backbone.layer3.{last}.relu'
    check_names(root, ['backbone.layer3.-1.relu:input'])


def test_counts_as_lists_do() -> None:
    net = nn.Sequential(nn.Identity(), nn.Sequential(nn.ReLU(), nn.ReLU()), nn.Identity())
    assert [resolve(net, name) for name in ('-3', '-2.-1', '1.-2', '', '2')] == ['0', '1.1', '1.0', '', '2']


def test_beyond_the_first_is_refused_by_name() -> None:
    net = nn.Sequential(nn.Identity(), nn.Identity())
    assert resolve(net, '-3') == '-3' and resolve(net, '-0') == '-0' and resolve(net, 'x.-1') == 'x.-1'
    with pytest.raises(ConfigError, match=r"method.x: Sequential has no module '-3'"):
        check_names(net, ['-3'], key='method.x')


def test_tap_records_under_the_given_name() -> None:
    net = nn.Sequential(nn.Conv2d(1, 2, 1), nn.ReLU(inplace=True))
    x = torch.randn(1, 1, 2, 2)
    with FeatureTap(net, ['-1:input', '-2']) as tap:
        net(x)
    torch.testing.assert_close(tap.records['-1:input'], net[0](x))
    assert set(tap.records) == {'-1:input', '-2'}
