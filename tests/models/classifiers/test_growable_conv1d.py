from __future__ import annotations

import torch
from torch import nn

from mmciss.models.classifiers import GrowableConv1d, grow_layer
from mmciss.models.classifiers.plain_layers import plain_layers


def test_equals_one_convolution() -> None:
    layer, plain = GrowableConv1d(4, (3, 2), 3, padding=1), nn.Conv1d(4, 5, 3, padding=1)
    layer.load_state_dict(plain.state_dict())
    x = torch.randn(2, 4, 7)
    assert torch.equal(layer(x), plain(x))
    assert torch.equal(layer.steps[1].weight, plain.weight[3:]) and layer.out_channels == 5


def test_grown_from_a_plain_one_and_shown_as_one() -> None:
    plain = nn.Conv1d(4, 3, 1)
    grown = nn.Sequential(grow_layer(plain, (3, 2)))
    assert isinstance(grown[0], GrowableConv1d) and torch.equal(grown[0].weight[:3], plain.weight)
    with plain_layers(grown):
        assert type(grown[0]) is nn.Conv1d and len(grown[0].weight) == 5
