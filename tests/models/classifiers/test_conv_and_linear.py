"""Growable convolutions and the growable linear layer equal the one layer that they replace."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from mmciss.models.classifiers import GrowableConv1d, GrowableConv2d, GrowableLinear, grow_layer

LAYERS = {
    'conv1d': (GrowableConv1d(4, (3, 2), 3, padding=1), nn.Conv1d(4, 5, 3, padding=1), torch.randn(2, 4, 7)),
    'conv2d': (GrowableConv2d(4, (3, 2), 3, stride=2), nn.Conv2d(4, 5, 3, stride=2), torch.randn(2, 4, 7, 6)),
    'linear': (GrowableLinear(4, (3, 2)), nn.Linear(4, 5), torch.randn(2, 4)),
}


@pytest.mark.parametrize('grown, plain, inputs', LAYERS.values(), ids=LAYERS)
def test_equals_the_one_layer(grown: nn.Module, plain: nn.Module, inputs: Tensor) -> None:
    grown.load_state_dict(plain.state_dict())
    assert torch.equal(grown(inputs), plain(inputs))
    assert torch.equal(grown.steps[1].weight, plain.weight[3:]) and grown.out_channels == 5


@pytest.mark.parametrize('kind', [nn.Conv1d, nn.Conv2d, nn.Linear])
def test_grown_from_a_layer_of_the_same_kind(kind: type[nn.Module]) -> None:
    plain = kind(4, 3, 1) if kind is not nn.Linear else kind(4, 3)
    grown = grow_layer(plain, (3, 2))
    assert type(grown).__name__ == f'Growable{kind.__name__}' and torch.equal(grown.weight[:3], plain.weight)


def test_without_bias() -> None:
    layer = GrowableLinear(4, (3, 2), bias=False)
    assert layer.bias is None and layer(torch.zeros(1, 4)).shape == (1, 5)
    assert (layer.in_features, layer.out_features) == (4, 5)
