"""The checks of a user's config, before anything is built from it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mmengine.config import Config

from mmciss.engine.checks.components import check_components, check_save_best
from mmciss.engine.checks.keys import check_changes, check_nested, check_top_level
from mmciss.engine.checks.values import check_values
from mmciss.errors import ConfigError
from mmciss.models.classifiers.head_config import check_same_classes
from mmciss.protocols.labels import IGNORE

REQUIRED = ('model', 'train_dataloader', 'test_dataloader', 'optim_wrapper', 'train_cfg')


def check_config(cfg: Mapping[str, Any] | Config) -> None:
    """Refuses a user's config with a key, type or value that cannot work.

    Raises:
        ConfigError: Naming the key.
    """
    check_top_level(cfg)
    if not cfg.get('protocol'):
        raise ConfigError(
            "protocol: the config has no key 'protocol'; add for example "
            "protocol = dict(name='15-1', setting='overlapped')"
        )
    for key in REQUIRED:
        if not cfg.get(key):
            raise ConfigError(f"{key}: the config has no key '{key}', which every run needs")
    cfg = _plain(cfg)
    check_values(cfg)
    method, steps = cfg.get('method') or {}, cfg.get('steps') or {}
    check_changes(method.get('cfg') or {}, 'method.cfg')
    check_changes((method.get('base') or {}).get('cfg') or {}, 'method.base.cfg')
    for group, options in steps.items():
        check_changes((options or {}).get('cfg') or {}, f'steps.{group}.cfg')
    for key in ('train_dataloader', 'val_dataloader', 'test_dataloader'):
        if cfg.get(key) is not None and not isinstance(cfg[key].get('dataset'), Mapping):
            found = cfg[key].get('dataset')
            raise ConfigError(f'{key}.dataset: must be the config of a data set; found {found!r}')
    _check_loop(cfg['train_cfg'])
    check_model(cfg['model'])
    check_same_classes(cfg['model'])
    check_nested(cfg)
    check_components(cfg)
    check_save_best(cfg)


def check_settings(cfg: Mapping[str, Any] | Config) -> None:
    """Refuses keys, types and values that cannot work in any config of mmengine.

    Raises:
        ConfigError: Naming the key.
    """
    check_top_level(cfg)
    cfg = _plain(cfg)
    for check in (check_values, check_nested, check_components):
        check(cfg)


def _plain(cfg: Mapping[str, Any] | Config) -> Mapping[str, Any]:
    return cfg.to_dict() if isinstance(cfg, Config) else cfg


def _check_loop(train_cfg: Mapping[str, Any]) -> None:
    loop = train_cfg.get('type')
    if train_cfg.get('by_epoch') or loop not in (None, 'IterBasedTrainLoop'):
        found = 'by_epoch=True' if train_cfg.get('by_epoch') else loop
        raise ConfigError(
            f'train_cfg: found {found}; mmciss trains by iterations, so that a step can resume at any of them. Use '
            f"train_cfg=dict(type='IterBasedTrainLoop', max_iters=...); epochs can be given in "
            f'steps=dict(base=dict(epochs=...), later=dict(epochs=...))'
        )


def check_model(model: Mapping[str, Any]) -> None:
    """Refuses networks that are not trained here, and labels that they would ignore.

    Raises:
        ConfigError: Naming the key.
    """
    if model.get('decode_head') is None:
        raise ConfigError(
            f'model: {model.get("type")} has no decode_head; mmciss extends encoder-decoder '
            f'segmentors (EncoderDecoder, CascadeEncoderDecoder)'
        )
    for key in ('decode_head', 'auxiliary_head'):
        heads = model.get(key)
        for head in heads if isinstance(heads, list | tuple) else [heads]:
            if head and head.get('ignore_index', IGNORE) != IGNORE:
                raise ConfigError(
                    f'model.{key}.ignore_index: must be {IGNORE}, which marks ignored pixels in the labels of every '
                    f'step, whatever the masks hold; found {head["ignore_index"]!r}'
                )
    options = model.get('test_cfg') or {}
    if options.get('mode', 'whole') not in ('slide', 'whole'):
        raise ConfigError(f"model.test_cfg.mode: must be one of 'slide', 'whole'; found {options['mode']!r}")
    for key in ('crop_size', 'stride') if options.get('mode') == 'slide' else ():
        if not isinstance(options.get(key), list | tuple):
            raise ConfigError(f"model.test_cfg.{key}: mode='slide' needs two integers; found {options.get(key)!r}")


def check_dictionaries(cfg: Config, keys: Sequence[str]) -> None:
    """Refuses configs that hold something other than a filled dictionary at one of these dotted keys.

    Raises:
        ConfigError: Naming the key and what it holds.
    """
    for key in keys:
        value: Any = cfg
        for part in key.split('.'):
            value = value.get(part)
        if not value or not isinstance(value, Mapping):
            raise ConfigError(f'{key}: must be a dictionary, found {value!r}')
