"""Channels of layers, found by running a model."""

from __future__ import annotations

import pytest
import torch
from torch import nn

import mmciss.register_all
from mmciss.errors import ConfigError
from mmciss.models.classifiers import build_grown_segmentor
from mmciss.models.feature_channels import feature_channels
from tests.models.tiny import segmentor_config


def test_channels_of_stages_heads_and_tuples_and_nothing_else_changes() -> None:
    segmentor = build_grown_segmentor(segmentor_config(3), (3,)).train()
    segmentor.backbone.layer1.eval()
    before = {name: tensor.clone() for name, tensor in segmentor.state_dict().items()}
    torch.manual_seed(0)
    found = feature_channels(segmentor, ['backbone', 'backbone.layer1', 'decode_head.convs.0'], 'key')
    assert found == {'backbone': 32, 'backbone.layer1': 4, 'decode_head.convs.0': 8}
    assert torch.initial_seed() == 0 and torch.equal(torch.rand(1), torch.rand(1, generator=torch.manual_seed(0)))
    assert segmentor.backbone.layer2.training and not segmentor.backbone.layer1.training
    assert all(torch.equal(tensor, before[name]) for name, tensor in segmentor.state_dict().items())


def test_a_layer_without_map_and_a_model_that_does_not_run_are_refused() -> None:
    class Flat(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.flat = nn.Linear(3, 4)

        def forward(self, inputs: torch.Tensor, mode: str) -> torch.Tensor:
            return self.flat(inputs.mean((2, 3)) if inputs.shape[-1] == 64 else inputs)

    with pytest.raises(ConfigError, match=r"key: the layer 'flat' must give a map .* found \(1, 4\)"):
        feature_channels(Flat(), ['flat'], 'key')
    with pytest.raises(ConfigError, match=r'key is found out by running .* failed'):
        feature_channels(nn.Sequential(nn.Conv2d(4, 3, 1)), ['0'], 'key')
