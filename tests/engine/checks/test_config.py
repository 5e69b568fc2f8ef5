"""Configs are checked before anything is built from them."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import mmseg
import pytest
from mmengine.config import Config

import mmciss.register_all
from mmciss.engine.checks.config import check_config, check_settings
from mmciss.errors import ConfigError
from mmciss.utils.configs import load_config
from tests.paths import ROOT

DATA = dict(batch_size=2, num_workers=0, dataset=dict(type='BaseSegDataset'))
GOOD = dict(
    protocol=dict(name='15-1'),
    method=dict(losses=dict()),
    steps=dict(base=dict(iters=1)),
    model=dict(type='EncoderDecoder', decode_head=dict()),
    train_dataloader=dict(DATA),
    test_dataloader=dict(DATA),
    optim_wrapper=dict(type='OptimWrapper'),
    train_cfg=dict(type='IterBasedTrainLoop', max_iters=1),
)


def changed(key: str, value: Any, good: dict[str, Any] = GOOD) -> dict[str, Any]:
    """Returns the good config with one value changed, or removed where the value is ``...``."""
    cfg = copy.deepcopy(good)
    *parents, last = key.split('.')
    place = cfg
    for parent in parents:
        place = place[parent]
    if value is ...:
        del place[last]
    else:
        place[last] = value
    return cfg


def test_a_good_config_passes() -> None:
    check_config(GOOD)


@pytest.mark.parametrize(
    ('key', 'value', 'message'),
    [
        ('protocol', ..., "protocol: the config has no key 'protocol'"),
        ('model', ..., "model: the config has no key 'model'"),
        ('train_cfg', None, "train_cfg: the config has no key 'train_cfg'"),
        ('method', [1], r'method: must be a dictionary; found \[1\]'),
        ('method.losses', [1], r'method.losses: must be a dictionary; found \[1\]'),
        ('method.hooks', dict(type='EMAHook'), 'method.hooks: must be a list'),
        ('method.main_loss', 'ce', "method.main_loss: must be a dictionary; found 'ce'"),
        ('method.base', 3, 'method.base: must be a dictionary; found 3'),
        ('steps.base', 5, 'steps.base: must be a dictionary; found 5'),
        ('train_dataloader.batch_size', 0, 'train_dataloader.batch_size: must be an integer from 1 to .*; found 0'),
        ('test_dataloader.dataset', 'voc', "test_dataloader.dataset: must be the config of a data set; found 'voc'"),
        ('train_cfg.by_epoch', True, 'train_cfg: found by_epoch=True'),
        ('train_cfg.type', 'EpochBasedTrainLoop', 'train_cfg: found EpochBasedTrainLoop'),
        ('train_cfg.max_iters', 0.5, 'train_cfg.max_iters: must be an integer from 1 to .*; found 0.5'),
        ('custom_hooks', 3, 'custom_hooks: must be a list of configs; found 3'),
        ('model.decode_head', dict(ignore_index=0), 'model.decode_head.ignore_index: must be 255, .*; found 0'),
        ('model.auxiliary_head', 3, 'model.auxiliary_head: must be a dictionary or a list of dictionaries; found 3'),
        ('optim_wrapper.optimizer', 3, 'optim_wrapper.optimizer: must be a dictionary; found 3'),
        ('env_cfg', 'fast', "env_cfg: must be a dictionary; found 'fast'"),
        ('optim_wrapper.paramwise_cfg', 3, 'optim_wrapper.paramwise_cfg: must be a dictionary; found 3'),
        ('optim_wrapper.paramwise_cfg', dict(custom_keys='x'), "custom_keys: must be a dictionary; found 'x'"),
        ('model.decode_head', ..., 'model: EncoderDecoder has no decode_head'),
    ],
)
def test_a_wrong_key_is_named(key: str, value: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        check_config(changed(key, value))


def test_a_misspelt_key_is_recognised() -> None:
    cfg = changed('protocol', ...)
    cfg['protocoll'] = dict(name='15-1')
    with pytest.raises(ConfigError, match="protocoll: no such key. Did you mean 'protocol'"):
        check_config(cfg)


def test_every_config_of_the_repository_passes() -> None:
    for path in sorted((ROOT / 'configs').glob('**/*.py')):
        cfg = load_config(path)
        (check_config if 'protocol' in cfg and 'model' in cfg else check_settings)(cfg)


@pytest.mark.parametrize(
    'path',
    [
        'deeplabv3/deeplabv3_r50-d8_4xb2-40k_cityscapes-512x1024.py',
        'segformer/segformer_mit-b0_8xb2-160k_ade20k-512x512.py',
        'mask2former/mask2former_swin-b-in1k-384x384-pre_8xb2-160k_ade20k-640x640.py',
        'san/san-vit-b16_coco-stuff164k-640x640.py',
        'vpd/vpd_sd_4xb8-25k_nyu-512x512.py',
    ],
)
def test_configs_of_mmsegmentation_pass(path: str) -> None:
    configs = Path(mmseg.__file__).parent / '.mim' / 'configs'
    check_settings(Config.fromfile(configs / path, import_custom_modules=False))


LOADER = 'train_dataloader'


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        ({f'{LOADER}.bach_size': 4}, "train_dataloader.bach_size: unknown key.*Did you mean 'batch_size'"),
        (
            {f'{LOADER}.prefetch_factor': 2},
            'train_dataloader.prefetch_factor: 2 needs data workers, but .*num_workers is 0',
        ),
        ({f'{LOADER}.persistent_workers': True}, 'persistent_workers: True needs data workers'),
        (
            {'test_evaluator': dict(type='IoUMetrc')},
            "test_evaluator.type: nothing is called 'IoUMetrc'. Did you mean 'IoUMetric'",
        ),
        (
            {'test_evaluator': [dict(type='IoUMetric', iou_metric=['mIoU'])]},
            r"test_evaluator\[0\].iou_metric: unknown key. Did you mean 'iou_metrics'",
        ),
        (
            {'val_evaluator': dict(metrics=[dict(type='IoUMetrc')])},
            r"val_evaluator\[0\].type: nothing is called 'IoUMetrc'",
        ),
        (
            {'test_evaluator': [dict(type='IoUMetric'), dict(type='DumpResults', out_file_path='x.txt')]},
            r'test_evaluator\[1\]: The output file must be a pkl file',
        ),
        (
            {'default_hooks': dict(loger=dict(interval=1))},
            "default_hooks.loger: no such default hook. Did you mean 'logger'",
        ),
        (
            {'default_hooks': dict(logger=dict(type='LoggerHook', intervall=1))},
            "default_hooks.logger.intervall: .*'interval'",
        ),
        (
            {'default_hooks': dict(logger=dict(type='LogerHook'))},
            "default_hooks.logger.type: nothing is called 'LogerHook'",
        ),
        ({'randomness': dict(sed=1)}, "randomness.sed: unknown key.*Did you mean 'seed'"),
        ({'env_cfg': dict(mp_cfg=dict(start_method='fork'))}, 'env_cfg.mp_cfg.start_method: unknown key'),
        (
            {'optim_wrapper.paramwise_cfg': dict(costum_keys={})},
            "paramwise_cfg.costum_keys: .*Did you mean 'custom_keys'",
        ),
        ({'train_cfg.max_iter': 4}, "train_cfg.max_iter: unknown key.*Did you mean 'max_iters'"),
        (
            {'visualizer': dict(type='SegLocalVisualizer', vis_backends=[dict(type='LocalBackend')])},
            r"visualizer.vis_backends\[0\].type: nothing is called 'LocalBackend'",
        ),
        ({'optim_wrapper.clip_grad': dict(norm_type=2)}, 'optim_wrapper.clip_grad: needs max_norm'),
        ({'optim_wrapper.clip_grad': dict(type='value', max_norm=2)}, 'optim_wrapper.clip_grad: needs clip_value'),
        ({'log_processor': dict(window=3)}, "log_processor.window: .*Did you mean 'window_size'"),
        ({'steps.base.cfg': dict(optim_wraper=dict())}, "steps.base.cfg.optim_wraper: .*Did you mean 'optim_wrapper'"),
        ({'method.cfg': {'model.decode_head.x': 1, 'modle.x': 1}}, "method.cfg.modle.x: .*Did you mean 'model'"),
        ({'model.test_cfg': dict(mode='slid')}, "model.test_cfg.mode: must be one of 'slide', 'whole'; found 'slid'"),
        (
            {'model.test_cfg': dict(mode='slide', stride=(2, 2))},
            'model.test_cfg.crop_size: .* needs two integers; found None',
        ),
    ],
)
def test_keys_that_nothing_reads_are_refused(change: dict[str, Any], message: str) -> None:
    cfg = GOOD
    for key, value in change.items():
        cfg = changed(key, value, cfg)
    with pytest.raises(ConfigError, match=message):
        check_config(cfg)


@pytest.mark.parametrize(('key', 'count'), [('decode_head', 7), ('auxiliary_head', 19)])
def test_heads_that_count_other_classes_are_refused(key: str, count: int) -> None:
    """They would not grow; a base step later their labels do not fit."""
    cfg = load_config('configs/shapes/shapes_smoke.py')
    cfg.model.auxiliary_head = copy.deepcopy(cfg.model.decode_head)
    check_config(cfg)
    cfg.model[key].num_classes = count
    with pytest.raises(ConfigError, match='auxiliary_head.num_classes: .*, but model.decode_head.num_classes is'):
        check_config(cfg)
    cfg.model.auxiliary_head.num_classes = 2  # borders
    check_config(cfg)
