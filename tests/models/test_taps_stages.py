"""Stages found by themselves, on backbones of every kind."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from mmengine.config import Config, ConfigDict
from mmengine.registry import init_default_scope
from mmseg.registry import MODELS
from torch import nn

import mmciss.register_all
from mmciss.errors import ConfigError
from mmciss.models.segmentors.incremental_segmentor import IncrementalSegmentor
from mmciss.models.taps import FeatureTap, check_names, stage_taps
from mmciss.models.teacher import Teacher
from tests.models.tiny import LATER, batch
from tests.paths import ROOT

IMAGE = dict(embed_dims=8, depths=(1, 1, 1, 1), num_heads=(1, 1, 1, 1), window_size=2)
BACKBONES: dict[str, tuple[dict[str, Any], int]] = {
    'ResNet': (dict(type='ResNet', depth=18, base_channels=4, stem_channels=4), 32),
    'ResNetV1c': (dict(type='ResNetV1c', depth=50, base_channels=4, stem_channels=4, out_indices=(1, 3)), 128),
    'MobileNetV2': (dict(type='MobileNetV2', widen_factor=0.25, out_indices=(1, 2, 4, 6)), 80),
    'MiT': (
        dict(type='MixVisionTransformer', embed_dims=4, num_layers=[1] * 4, num_heads=[1] * 4, sr_ratios=[8, 4, 2, 1]),
        4,
    ),
    'Swin': (dict(type='SwinTransformer', **IMAGE), 64),
    'ConvNeXt': (
        dict(
            type='mmpretrain.ConvNeXt',
            arch=dict(depths=[1] * 4, channels=[4, 8, 12, 16]),
            out_indices=(0, 1, 2, 3),
            gap_before_final_norm=False,
        ),
        16,
    ),
    'timm': (dict(type='TIMMBackbone', model_name='resnet10t', pretrained=False, features_only=True), 512),
}


def segmentor(name: str) -> dict[str, Any]:
    """Returns a config with five classes on a backbone."""
    init_default_scope('mmseg')
    backbone, channels = copy.deepcopy(BACKBONES[name])
    if backbone['type'].startswith('mmpretrain.'):
        pytest.importorskip('mmpretrain')
    if name == 'timm':
        pytest.importorskip('timm')
    head = dict(
        type='FCNHead',
        in_channels=channels,
        in_index=-1,
        channels=8,
        num_convs=1,
        concat_input=False,
        dropout_ratio=0.0,
        num_classes=5,
        norm_cfg=dict(type='BN'),
        align_corners=False,
        loss_decode=dict(type='CrossEntropyLoss', avg_non_ignore=False),
    )
    return ConfigDict(
        dict(type='EncoderDecoder', backbone=backbone, decode_head=head, train_cfg=dict(), test_cfg=dict(mode='whole'))
    )


@pytest.mark.parametrize('name', ['ResNet', 'ResNetV1c'])
def test_a_resnets_taps_are_the_published_ones(name: str) -> None:
    model = MODELS.build(segmentor(name))
    stages = [f'backbone.layer{number}' for number in (1, 2, 3, 4)]
    assert stage_taps(model) == tuple(stages)
    assert stage_taps(model, pre_activation=True) == tuple(f'{stage}.-1.relu:input' for stage in stages)
    by_hand = [*stages, *(f'{stage}.-1.relu:input' for stage in stages)]
    names = ['stages', 'stages:pre_activation', *by_hand]
    with FeatureTap(model.eval(), names) as tap, torch.no_grad():
        model(torch.randn(1, 3, 64, 64))
    found = tap.records['stages'] + tap.records['stages:pre_activation']
    assert len(found) == 8
    for stage, record in zip(by_hand, found[: len(by_hand)], strict=True):
        assert torch.equal(record, tap.records[stage])
    for after, before in zip(found[:4], found[4:], strict=True):
        assert torch.equal(before.relu(), after)
    assert any((before < 0).any() for before in found[4:])


@pytest.mark.parametrize('name', BACKBONES)
def test_methods_that_tap_maps_need_no_names(name: str) -> None:
    files = {
        key: Config.fromfile(ROOT / 'configs' / '_base_' / 'methods' / f'{key}.py').method
        for key in ('plop', 'rcil', 'ilt', 'sdr')
    }
    tapping = {key: loss for method in files.values() for key, loss in method.losses.items() if key != 'kd'}
    assert set(tapping) == {'pod', 'cube', 'features', 'latent'}
    model = IncrementalSegmentor(segmentor(name), LATER, losses=tapping, freeze=files['sdr']['freeze'])
    other = MODELS.build(segmentor(name))
    other.decode_head.conv_seg = nn.Conv2d(8, 3, 1)
    model.set_teacher(Teacher(other))
    inputs, samples = batch(side=128)
    losses = model.train().loss(inputs, samples)
    for key in tapping:
        parameters = [value for value in model.segmentor.backbone.parameters() if value.requires_grad]
        grads = torch.autograd.grad(losses[f'loss_{key}'], parameters, retain_graph=True, allow_unused=True)
        assert torch.isfinite(losses[f'loss_{key}']) and any(grad is not None and grad.any() for grad in grads), key


def test_every_stage_is_tapped_where_the_backbone_hands_on_its_maps() -> None:
    for name in ('MobileNetV2', 'MiT', 'Swin'):
        model = MODELS.build(segmentor(name))
        assert stage_taps(model) == stage_taps(model, pre_activation=True) == ('backbone',)
        with FeatureTap(model.eval(), ['stages']) as tap, torch.no_grad():
            model(torch.randn(1, 3, 64, 64))
        assert [record.dim() for record in tap.records['stages']] == [4] * 4


def test_a_wrong_port_and_a_name_that_does_not_exist_say_what_works() -> None:
    model = MODELS.build(segmentor('MobileNetV2'))
    with pytest.raises(
        ConfigError, match=r"'stages:input' ends in 'input'; allowed after the colon: output, pre_activ"
    ):
        check_names(model, ['stages:input'])
    with pytest.raises(ConfigError, match="'stages' means every stage of any backbone"):
        check_names(model, ['backbone.layer1.-1.relu:input'])
