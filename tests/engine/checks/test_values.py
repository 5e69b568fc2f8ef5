"""What each value of a config must be."""

from __future__ import annotations

from typing import Any

import pytest

from mmciss.engine.checks.values import LARGEST_SEED, SLOTS, check_values, walk
from mmciss.engine.runner.step_config import METHOD_SLOTS
from mmciss.errors import ConfigError

NAN, INF = float('nan'), float('inf')


def config(key: str, value: Any) -> Any:
    """Returns a config with one value; numbers in the key are places in a list."""
    for part in reversed(key.split('.')):
        value = [value] if part.isdigit() else {part: value}
    return value


@pytest.mark.parametrize(
    ('key', 'good', 'bad'),
    [
        ('optim_wrapper.optimizer.lr', (0.1, 0, 1), (NAN, INF, -0.1, '0.1', True)),
        ('optim_wrapper.optimizer.betas.0', (0.9,), ('0.9', NAN)),
        ('optim_wrapper.dtype', ('bfloat16',), ('float8', 16)),
        ('optim_wrapper.loss_scale', ('dynamic', 512.0, dict(init_scale=2.0)), ('dynamc', NAN)),
        ('accuracy_interval', (1, 10), (0, 2.5, True)),
        ('compile', (True, dict(mode='default')), ('fast', 1)),
        ('train_cfg.dynamic_intervals', ([(5, 1)],), (3, [5, 1])),
        ('auto_scale_lr.base_batch_size', (16,), (0,)),
        ('method.classifier.future_rows', (True,), (3,)),
        ('default_hooks.checkpoint.out_dir', (), ('elsewhere', 's3://bucket')),
        ('optim_wrapper.clip_grad.max_norm', (1.0, INF), (NAN, -INF, -1)),
        ('optim_wrapper.paramwise_cfg.custom_keys.backbone.layer4.lr_mult', (0.1,), (-1, '10', NAN)),
        ('optim_wrapper.accumulative_counts', (1, 4), (0, 1.5, True)),
        ('method.losses.kd.loss_weight', (10, 0.5), (NAN, INF, '10', True)),
        ('method.losses.kd.temperature', (2.0,), (NAN, -INF)),
        ('model.decode_head.loss_decode.0.loss_weight', (1.0, [1.0, 0.4]), (NAN, '1')),
        ('model.data_preprocessor.std.0', (57.1,), (0, NAN, '1')),
        ('steps.base.lr', (0.1,), (NAN,)),
        ('param_scheduler.0.power', (0.9,), (NAN, 'linear')),
        ('param_scheduler.0.end', (40000,), (-1, 2.5, 10**30)),
        ('train_cfg.max_iters', (1, 10**9), (0, 1e30, '9', True, 10**9 + 1)),
        ('train_dataloader.batch_size', (1,), (0, '4', True, 10**20)),
        ('val_dataloader.num_workers', (0, 8), (-1, '2', 10**6)),
        ('train_dataloader.pin_memory', (True,), ('yes', 1)),
        ('randomness.seed', (0, LARGEST_SEED), (-1, 10**20, '1', 1.0, True)),
        ('default_hooks.logger.interval', (1,), (0, -5, '10')),
        ('default_hooks.checkpoint.interval', (500, -1), (0, -2, 0.5)),
        ('log_level', ('INFO', 'DEBUG', 20), ('info', 'LOUD', 1.5, [])),
        ('env_cfg.mp_cfg.mp_start_method', ('fork', 'spawn'), ('frok', 3)),
        ('env_cfg.dist_cfg.backend', ('nccl', 'gloo'), ('ncl',)),
        ('launcher', ('none', 'pytorch'), ('torch',)),
        ('resume', (True, False), ('yes', 1)),
        ('work_dir', ('here',), (3, ' ', [])),
        ('protocol.joint', (True,), ('no',)),
    ],
)
def test_values(key: str, good: tuple, bad: tuple) -> None:
    for value in good:
        check_values(config(key, value))
    for value in bad:
        with pytest.raises(ConfigError, match=rf'^{key}: must be .*found'):
            check_values(config(key, value))


@pytest.mark.parametrize('key', ['log_level', 'optim_wrapper.optimizer.lr', 'method.losses.kd.loss_weight'])
def test_none_is_refused_where_it_takes_the_place_of_a_default(key: str) -> None:
    with pytest.raises(ConfigError, match=f'{key}: must be .*found None'):
        check_values(config(key, None))


def test_none_passes_where_it_means_absent() -> None:
    check_values(dict(load_from=None, optim_wrapper=dict(clip_grad=None), param_scheduler=None))


def test_a_misspelt_choice_is_recognised() -> None:
    with pytest.raises(ConfigError, match="found 'spwan'. Did you mean 'spawn'"):
        check_values(config('env_cfg.mp_cfg.mp_start_method', 'spwan'))


def test_variables_and_modules_of_the_user_may_be_infinite() -> None:
    check_values(dict(best=INF, nothing=NAN, custom_hooks=[dict(type='Own', limit=INF)], model=dict(margin=-INF)))
    with pytest.raises(ConfigError, match='model.margin: must be a finite number; found nan'):
        check_values(dict(model=dict(margin=NAN)))


def test_walking_names_every_place() -> None:
    assert [key for key, _ in walk(dict(a=({'b': 1},), c=2))] == ['a', 'a.0', 'a.0.b', 'c']


def test_every_slot_has_a_rule() -> None:
    assert {*SLOTS.split(), 'hooks'} == set(METHOD_SLOTS)
