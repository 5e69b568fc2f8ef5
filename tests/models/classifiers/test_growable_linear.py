from __future__ import annotations

import torch
from torch import nn

from mmciss.models.classifiers import GrowableLinear


def test_equals_one_linear_layer() -> None:
    layer, plain = GrowableLinear(4, (3, 2)), nn.Linear(4, 5)
    layer.load_state_dict(plain.state_dict())
    x = torch.randn(2, 4)
    assert torch.equal(layer(x), plain(x))
    assert (layer.in_features, layer.out_features) == (4, 5)
    assert torch.equal(layer.steps[1].weight, plain.weight[3:])


def test_without_bias() -> None:
    layer = GrowableLinear(4, (3, 2), bias=False)
    assert layer.bias is None and layer(torch.zeros(1, 4)).shape == (1, 5)
