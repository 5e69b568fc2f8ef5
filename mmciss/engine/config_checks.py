"""Looking at the keys of a user's config before anything is built from them."""
from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Any

from mmciss.errors import ConfigError

OWN_KEYS = ('protocol', 'method', 'steps')
"""The keys that mmciss adds to a config of MMSegmentation."""
REQUIRED = ('model', 'train_dataloader', 'test_dataloader', 'optim_wrapper', 'train_cfg')


def check_keys(cfg: Mapping[str, Any]) -> None:
    """Refuses configs that lack what every run needs, or hold something of another kind there.

    Raises:
        ConfigError: Naming the missing or wrong key.
    """
    _check_spelling(cfg)
    if not cfg.get('protocol'):
        raise ConfigError("protocol: the config has no key 'protocol'; add for example "
                          "protocol = dict(name='15-1', setting='overlapped')")
    for key in REQUIRED:
        if not cfg.get(key):
            raise ConfigError(f"{key}: the config has no key '{key}', which every run needs")
    for key in (*OWN_KEYS, *REQUIRED, 'randomness', 'val_dataloader', 'default_hooks'):
        _check_dictionary(cfg.get(key), key)
    for group in (cfg.get('steps') or {}):
        _check_dictionary(cfg['steps'][group], f'steps.{group}')
    _check_dictionary((cfg.get('method') or {}).get('base'), 'method.base')
    method = cfg.get('method') or {}
    for place, slots in (('method', method), ('method.base', method.get('base') or {})):
        for slot in ('losses', 'freeze', 'classifier', 'cfg', 'memory', 'statistics'):
            _check_dictionary(slots.get(slot), f'{place}.{slot}')
    hooks = method.get('hooks')
    if hooks is not None and not isinstance(hooks, list | tuple):
        raise ConfigError(f'method.hooks: must be a list of configs, found {hooks!r}')
    check_integer((cfg.get('randomness') or {}).get('seed'), 'randomness.seed', 0)
    for split in ('train', 'val', 'test'):
        _check_loader(cfg.get(f'{split}_dataloader'), f'{split}_dataloader')
    _check_loop(cfg['train_cfg'])
    _check_model(cfg['model'])


def check_integer(value: Any, key: str, lowest: int) -> None:
    """Refuses what is no integer from ``lowest`` on; None is let through.

    Raises:
        ConfigError: Naming the key and the value.
    """
    if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < lowest):
        raise ConfigError(f'{key}: must be an integer, at least {lowest}; found {value!r}')


def _check_dictionary(value: Any, key: str) -> None:
    if value is not None and not isinstance(value, Mapping):
        raise ConfigError(f'{key}: must be a dictionary, found {value!r}')


def _check_spelling(cfg: Mapping[str, Any]) -> None:
    # A config may hold any variable; one that nearly has our key's name while that is missing is a slip.
    for key in OWN_KEYS:
        if key not in cfg:
            for near in difflib.get_close_matches(key, [name for name in cfg if isinstance(cfg[name], Mapping)], 1, 0.8):
                raise ConfigError(f'{near}: no key of a config. Did you mean {key!r}?')


def _check_loader(loader: Mapping[str, Any] | None, key: str) -> None:
    if loader is None:
        return
    check_integer(loader.get('batch_size'), f'{key}.batch_size', 1)
    check_integer(loader.get('num_workers'), f'{key}.num_workers', 0)
    if not isinstance(loader.get('dataset'), Mapping):
        raise ConfigError(f'{key}.dataset: must be the config of a data set, found {loader.get("dataset")!r}')
    _check_dictionary(loader.get('sampler'), f'{key}.sampler')


def _check_loop(train_cfg: Mapping[str, Any]) -> None:
    loop = train_cfg.get('type')
    if train_cfg.get('by_epoch') or loop not in (None, 'IterBasedTrainLoop'):
        found = 'by_epoch=True' if train_cfg.get('by_epoch') else loop
        raise ConfigError(f"train_cfg: found {found}; mmciss trains by iterations, so that a step can be "
                          f"resumed anywhere. Use train_cfg=dict(type='IterBasedTrainLoop', max_iters=...) and "
                          f"give epochs, if wanted, in steps=dict(base=dict(epochs=...), later=dict(epochs=...))")
    for name in ('max_iters', 'val_interval', 'val_begin'):
        check_integer(train_cfg.get(name), f'train_cfg.{name}', 1)


def _check_model(model: Mapping[str, Any]) -> None:
    if not isinstance(model.get('decode_head'), dict | list | tuple):
        raise ConfigError(f"model: {model.get('type')} has no decode_head; mmciss extends encoder-decoder "
                          f"segmentors (EncoderDecoder, CascadeEncoderDecoder)")
