"""The methods that ``--method`` accepts."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from mmengine.config import Config
from mmseg.registry import MODELS

import mmciss.register_all
from mmciss.apis.train import config_from_args, parse_args
from mmciss.engine.runner.experiment import Experiment
from mmciss.engine.runner.rehearsal import rehearse
from mmciss.engine.runner.step_config import EXTENSION_KEYS, METHOD_SLOTS
from mmciss.registry import INITIALIZERS, LABELERS
from tests.paths import ROOT
from tests.smoke import smoke_config

METHODS = sorted((ROOT / 'configs' / '_base_' / 'methods').glob('*.py'))


def load(name: str) -> dict:
    """Returns the key ``method`` of a method's file."""
    return Config.fromfile(ROOT / 'configs' / '_base_' / 'methods' / f'{name}.py').method


@pytest.mark.parametrize('path', METHODS, ids=lambda path: path.stem)
def test_every_slot_is_known_and_every_module_builds(path: Path) -> None:
    config = Config.fromfile(path)
    assert set(config) <= {'method', 'protocol'}, 'a method must not change model, data or schedule'
    assert config.method.name
    for slots in (config.method, *(config.method.get(key) or {} for key in ('base', *EXTENSION_KEYS))):
        assert set(slots) <= {*METHOD_SLOTS, 'name', 'base', *EXTENSION_KEYS}
        for loss in [slots.get('main_loss'), *(slots.get('losses') or {}).values()]:
            if loss is not None:
                MODELS.build(loss)
        for slot, registry in (('initializer', INITIALIZERS), ('labeler', LABELERS)):
            if slots.get(slot) is not None:
                registry.build(slots[slot])


@pytest.mark.parametrize('name', ['deeplabv3_r101', 'segformer_mit-b0', 'upernet_swin-t', 'fcn_dinov2-s14'])
def test_the_method_of_our_configs_passes_the_checks_before_training(name: str, tmp_path: Path) -> None:
    """And gives way to another without a trace."""
    path = str(ROOT / f'configs/ciss/{name}_voc_15-1.py')
    ours = Config.fromfile(path)
    assert ours.method.name == 'Closed form, fine'
    small = smoke_config(tmp_path)
    small.merge_from_dict(dict(model=dict(_delete_=True, **ours.model), method=dict(_delete_=True, **ours.method)))
    small.optim_wrapper = ours.optim_wrapper
    rehearse(Experiment.from_cfg(small))
    for method in ('anchor', 'mib', 'closed_form'):
        assert config_from_args(parse_args([path, '--method', method])).method == load(method)


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


def test_the_rule_and_the_maps_of_the_releases() -> None:
    """What PLOP's relatives and RCIL inherit: which pseudo labels are used, and which maps are read."""
    for name in ('plop', 'awt_plop', 'gsc', 'lgkd'):
        assert load(name).labeler.thresholds == 'binned'
        assert load(name).losses.pod.layers == 'stages:pre_activation'
    assert load('rcil').losses.cube.layers == 'stages'
    assert load('ilt').losses.features.layer == 'backbone'
    for name in ('sdr', 'sdr_mib'):
        for slots in (load(name), load(name).base):
            assert slots['freeze'].norm_momentum == {'backbone.*': 3e-4}


@pytest.mark.parametrize('folder', ['shapes', 'voc20', 'voc6'])
def test_what_a_folder_changes_of_a_method_it_changes_of_those_that_are_built_on_it(folder: str) -> None:
    """NeST on PLOP has PLOP's factors, else their rows of one table differ in more than their names."""
    files = {path.stem: path for path in (ROOT / 'configs' / folder / 'methods').glob('*.py')}
    checked = 0
    for path in METHODS:
        hosts = re.findall(r"^_base_ = '\./(\w+)\.py'$", path.read_text(), re.MULTILINE)
        for name in set(hosts) & set(files):
            assert path.stem in files, f'configs/{folder}/methods/{name}.py has settings that {path.stem} lacks'
            own, theirs = (Config.fromfile(files[key]).method.losses for key in (path.stem, name))
            checked += 1
            for key in set(own) & set(theirs):
                assert own[key] == theirs[key], key
    assert checked or folder == 'shapes'


def test_both_folders_of_photographs_have_the_same_methods() -> None:
    """They train the same network."""
    first, second = (sorted((ROOT / f'configs/{name}/methods').glob('*.py')) for name in ('voc6', 'voc20'))
    assert [path.name for path in first] == [path.name for path in second]
    for one, other in zip(first, second, strict=True):
        assert Config.fromfile(one).method == Config.fromfile(other).method
