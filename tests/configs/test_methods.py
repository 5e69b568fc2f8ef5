"""The methods that ``--method`` accepts."""
from __future__ import annotations

from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmseg.registry import MODELS
from torch import nn

import mmciss.register_all  # noqa: F401
from mmciss.engine.step_config import METHOD_SLOTS
from mmciss.models.taps import FeatureTap
from mmciss.registry import INITIALIZERS, LABELERS
from tests.paths import ROOT

METHODS = sorted((ROOT / 'configs' / '_base_' / 'methods').glob('*.py'))


def load(name: str) -> dict:
    """Returns the key ``method`` of a method's file."""
    return Config.fromfile(ROOT / 'configs' / '_base_' / 'methods' / f'{name}.py').method


@pytest.mark.parametrize('path', METHODS, ids=lambda path: path.stem)
def test_every_slot_is_known_and_every_module_builds(path: Path) -> None:
    config = Config.fromfile(path)
    assert set(config) <= {'method', 'protocol'}, 'a method must not change model, data or schedule'
    assert config.method.name
    for slots in (config.method, config.method.get('base') or {}):
        assert set(slots) <= {*METHOD_SLOTS, 'name', 'base'}
        for loss in [slots.get('main_loss'), *(slots.get('losses') or {}).values()]:
            if loss is not None:
                MODELS.build(loss)
        for slot, registry in (('initializer', INITIALIZERS), ('labeler', LABELERS)):
            if slots.get(slot) is not None:
                registry.build(slots[slot])


def test_published_weights() -> None:
    """Section 'Losses' of MiB (arXiv 2002.00718) and the baselines of its trainer."""
    assert load('lwf').losses.kd.loss_weight == 100
    assert load('ilt').losses.kd.loss_weight == 100
    assert load('ilt').losses.features.loss_weight == 100
    assert load('mib').losses.kd.loss_weight == 10
    assert load('mib').initializer.bias_shift is True
    assert load('lwf_mc').losses.kd.loss_weight == 10


def test_lwf_mc_trains_the_base_step_with_its_own_loss() -> None:
    method = load('lwf_mc')
    assert method.base.main_loss == method.main_loss
    assert method.main_loss.reduction == 'pixel_mean'


def test_finetuning_fills_no_slot_and_joint_changes_the_protocol_only() -> None:
    assert set(load('finetuning')) == {'name'}
    assert set(load('joint')) == {'name'}
    assert Config.fromfile(ROOT / 'configs/_base_/methods/joint.py').protocol == {'joint': True}


@pytest.mark.parametrize(('model', 'layer', 'channels'), [
    ('fcn_tiny', None, 128), ('deeplabv3_mbv2-d16', None, 320), ('upernet_swin-t', None, 768),
    ('upernet_convnext-t', None, 768), ('segformer_mit-b0', 'backbone.layers.-1.-1', 256)])
def test_ilt_taps_the_last_map_of_every_backbone(model: str, layer: str | None,
                                                 channels: int) -> None:
    init_default_scope('mmseg')
    cfg = Config.fromfile(ROOT / 'configs' / '_base_' / 'models' / f'{model}.py').model
    network = nn.ModuleDict({'backbone': MODELS.build({**cfg.backbone, 'init_cfg': None})})
    layer = layer or load('ilt').losses.features.layer
    with FeatureTap(network, [layer]) as tap, torch.no_grad():
        last = network['backbone'](torch.rand(2, 3, 64, 64))[-1]
    # Tokens (N, H * W, D) or a map (N, D, H, W).
    assert channels in tap.records[layer].shape
    assert tap.records[layer].numel() == last.numel()
