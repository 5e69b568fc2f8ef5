"""Looking at the keys of a user's config before anything is built from them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mmengine.config import Config

from mmciss.engine.component_checks import check_best, check_components
from mmciss.engine.known_keys import OWN_KEYS, check_changes, check_nested, check_top_level
from mmciss.engine.value_checks import check_values
from mmciss.errors import ConfigError
from mmciss.protocols.labels import IGNORE

REQUIRED = ('model', 'train_dataloader', 'test_dataloader', 'optim_wrapper', 'train_cfg')


def check_keys(cfg: Mapping[str, Any] | Config) -> None:
    """Refuses configs that lack what every run needs, or hold something of another kind there.

    Raises:
        ConfigError: Naming the missing or wrong key.
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
    for key in (
        *OWN_KEYS,
        *REQUIRED,
        'randomness',
        'val_dataloader',
        'default_hooks',
        'env_cfg',
        'val_cfg',
        'test_cfg',
        'data_preprocessor',
        'log_processor',
        'visualizer',
        'model_wrapper_cfg',
    ):
        _check_dictionary(cfg.get(key), key)
    _check_dictionary(cfg['optim_wrapper'].get('optimizer'), 'optim_wrapper.optimizer')
    for group in cfg.get('steps') or {}:
        _check_dictionary(cfg['steps'][group], f'steps.{group}')
    _check_dictionary((cfg.get('method') or {}).get('base'), 'method.base')
    method = cfg.get('method') or {}
    for place, slots in (('method', method), ('method.base', method.get('base') or {})):
        for slot in (
            'losses',
            'freeze',
            'classifier',
            'cfg',
            'memory',
            'statistics',
            'main_loss',
            'structure',
            'decision',
            'initializer',
            'labeler',
        ):
            _check_dictionary(slots.get(slot), f'{place}.{slot}')
    for key, hooks in (('method.hooks', method.get('hooks')), ('custom_hooks', cfg.get('custom_hooks'))):
        if hooks is not None and not isinstance(hooks, list | tuple):
            raise ConfigError(f'{key}: must be a list of configs, found {hooks!r}')
    for key, changes in (
        ('method.cfg', method.get('cfg')),
        ('method.base.cfg', (method.get('base') or {}).get('cfg')),
        *((f'steps.{group}.cfg', (options or {}).get('cfg')) for group, options in (cfg.get('steps') or {}).items()),
    ):
        _check_dictionary(changes, key)
        check_changes(changes or {}, key)
    for split in ('train', 'val', 'test'):
        _check_dataset(cfg.get(f'{split}_dataloader'), f'{split}_dataloader')
    _check_loop(cfg['train_cfg'])
    _check_model(cfg['model'])
    check_settings(cfg)
    check_best(cfg)


def check_settings(cfg: Mapping[str, Any] | Config) -> None:
    """Refuses keys, types and values that any config of mmengine could hold and that cannot work.

    Raises:
        ConfigError: Naming the key.
    """
    check_top_level(cfg)
    cfg = cfg.to_dict() if isinstance(cfg, Config) else cfg
    check_nested(cfg)
    check_values(cfg)
    check_components(cfg)


def check_dictionaries(cfg: Config, keys: Sequence[str]) -> None:
    """Refuses configs whose dotted keys hold something other than a dictionary with something in it.

    Raises:
        ConfigError: Naming the key and what it holds.
    """
    for key in keys:
        value: Any = cfg
        for part in key.split('.'):
            value = value.get(part)
        if not value or not isinstance(value, Mapping):
            raise ConfigError(f'{key}: must be a dictionary, found {value!r}')


def _check_dictionary(value: Any, key: str) -> None:
    if value is not None and not isinstance(value, Mapping):
        raise ConfigError(f'{key}: must be a dictionary, found {value!r}')


def _check_dataset(loader: Mapping[str, Any] | None, key: str) -> None:
    if loader is None:
        return
    if not isinstance(loader.get('dataset'), Mapping):
        raise ConfigError(f'{key}.dataset: must be the config of a data set, found {loader.get("dataset")!r}')
    _check_dictionary(loader.get('sampler'), f'{key}.sampler')


def _check_loop(train_cfg: Mapping[str, Any]) -> None:
    loop = train_cfg.get('type')
    if train_cfg.get('by_epoch') or loop not in (None, 'IterBasedTrainLoop'):
        found = 'by_epoch=True' if train_cfg.get('by_epoch') else loop
        raise ConfigError(
            f'train_cfg: found {found}; mmciss trains by iterations, so that a step can be '
            f"resumed anywhere. Use train_cfg=dict(type='IterBasedTrainLoop', max_iters=...) and "
            f'give epochs, if wanted, in steps=dict(base=dict(epochs=...), later=dict(epochs=...))'
        )


def _check_model(model: Mapping[str, Any]) -> None:
    for key in ('decode_head', 'auxiliary_head'):
        for head in model[key] if isinstance(model.get(key), list | tuple) else [model.get(key)]:
            _check_dictionary(head, f'model.{key}')
            if head and head.get('ignore_index', IGNORE) != IGNORE:
                raise ConfigError(
                    f'model.{key}.ignore_index: labels of every step are ignored by {IGNORE}, whatever the '
                    f'masks hold; found {head["ignore_index"]!r}'
                )
    for key in ('backbone', 'neck', 'test_cfg', 'train_cfg', 'data_preprocessor'):
        _check_dictionary(model.get(key), f'model.{key}')
    if not isinstance(model.get('decode_head'), dict | list | tuple):
        raise ConfigError(
            f'model: {model.get("type")} has no decode_head; mmciss extends encoder-decoder '
            f'segmentors (EncoderDecoder, CascadeEncoderDecoder)'
        )
    options = model.get('test_cfg') or {}
    if options.get('mode', 'whole') not in ('slide', 'whole'):
        raise ConfigError(f"model.test_cfg.mode: must be one of 'slide', 'whole'; found {options['mode']!r}")
    for key in ('crop_size', 'stride') if options.get('mode') == 'slide' else ():
        if not isinstance(options.get(key), list | tuple):
            raise ConfigError(f"model.test_cfg.{key}: mode='slide' needs two integers, found {options.get(key)!r}")
