"""Growable layers in plain clothes."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from mmciss.models.classifiers.growable_conv2d import GrowableConv2d
from mmciss.models.classifiers.growable_linear import GrowableLinear
from mmciss.models.classifiers.plain_layers import plain_layers


@pytest.mark.parametrize(
    ('make', 'plain'),
    [
        (lambda: GrowableConv2d(4, (3, 2), kernel_size=3, padding=1), nn.Conv2d),
        (lambda: GrowableLinear(4, (3, 2)), nn.Linear),
    ],
)
def test_what_happens_to_the_plain_layer_happens_to_the_growable_one(make, plain) -> None:
    model = nn.Module()
    model.inner = nn.Module()
    model.inner.classifier = grown = make()
    parameters = dict(grown.named_parameters())
    before = grown.weight.clone()
    with plain_layers(model):
        assert type(model.inner.classifier) is plain
        assert torch.equal(model.inner.classifier.weight, before)
        nn.init.constant_(model.inner.classifier.weight, 0.5)
        nn.init.constant_(model.inner.classifier.bias, -1.0)
    assert model.inner.classifier is grown
    assert grown.weight.unique().tolist() == [0.5] and grown.bias.unique().tolist() == [-1.0]
    assert all(parameter is parameters[name] for name, parameter in grown.named_parameters()), 'same parameters'
