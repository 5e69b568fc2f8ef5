"""Configs are looked at before anything is built from them."""
from __future__ import annotations

import copy
from typing import Any

import pytest

from mmciss.engine.config_checks import check_integer, check_keys
from mmciss.errors import ConfigError

DATA = dict(batch_size=2, num_workers=0, dataset=dict(type='BaseSegDataset'))
GOOD = dict(protocol=dict(name='15-1'), method=dict(losses=dict()), steps=dict(base=dict(iters=1)),
            model=dict(type='EncoderDecoder', decode_head=dict()), train_dataloader=dict(DATA), test_dataloader=dict(DATA),
            optim_wrapper=dict(type='OptimWrapper'), train_cfg=dict(type='IterBasedTrainLoop', max_iters=1))


def changed(key: str, value: Any) -> dict[str, Any]:
    """Returns the good config with one value changed, or removed where the value is ``...``."""
    cfg = copy.deepcopy(GOOD)
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
    check_keys(GOOD)


@pytest.mark.parametrize(('key', 'value', 'message'), [
    ('protocol', ..., "protocol: the config has no key 'protocol'"),
    ('model', ..., "model: the config has no key 'model'"),
    ('train_cfg', None, "train_cfg: the config has no key 'train_cfg'"),
    ('method', [1], r'method: must be a dictionary, found \[1\]'),
    ('method.losses', [1], r'method.losses: must be a dictionary, found \[1\]'),
    ('method.hooks', dict(type='EMAHook'), 'method.hooks: must be a list'),
    ('method.base', 3, 'method.base: must be a dictionary, found 3'),
    ('steps.base', 5, 'steps.base: must be a dictionary, found 5'),
    ('train_dataloader.batch_size', 0, 'train_dataloader.batch_size: must be an integer, at least 1; found 0'),
    ('test_dataloader.dataset', 'voc', "test_dataloader.dataset: must be the config of a data set, found 'voc'"),
    ('train_cfg.by_epoch', True, 'train_cfg: found by_epoch=True'),
    ('train_cfg.type', 'EpochBasedTrainLoop', 'train_cfg: found EpochBasedTrainLoop'),
    ('train_cfg.max_iters', 0.5, 'train_cfg.max_iters: must be an integer, at least 1; found 0.5'),
    ('model.decode_head', ..., 'model: EncoderDecoder has no decode_head'),
])
def test_a_wrong_key_is_named(key: str, value: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        check_keys(changed(key, value))


def test_a_slip_of_the_pen_is_recognised() -> None:
    cfg = changed('protocol', ...)
    cfg['protocoll'] = dict(name='15-1')
    with pytest.raises(ConfigError, match="protocoll: no key of a config. Did you mean 'protocol'"):
        check_keys(cfg)


def test_integers() -> None:
    check_integer(None, 'k', 0)
    check_integer(0, 'k', 0)
    for value in (True, -1, '1', 1.0):
        with pytest.raises(ConfigError, match='k: must be an integer, at least 0; found'):
            check_integer(value, 'k', 0)
