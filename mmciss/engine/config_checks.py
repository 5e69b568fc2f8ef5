"""Looking at the keys of a user's config before anything is built from them."""
from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from typing import Any

from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmseg.registry import HOOKS, LOG_PROCESSORS, LOOPS, METRICS, VISBACKENDS, VISUALIZERS

from mmciss.engine.known_keys import OWN_KEYS, check_changes, check_nested, check_top_level
from mmciss.engine.value_checks import check_values
from mmciss.errors import ConfigError
from mmciss.utils.signatures import check_component

BACKEND_PACKAGES = {'TensorboardVisBackend': 'tensorboard', 'WandbVisBackend': 'wandb', 'MLflowVisBackend': 'mlflow',
                    'ClearMLVisBackend': 'clearml', 'NeptuneVisBackend': 'neptune', 'DVCLiveVisBackend': 'dvclive',
                    'AimVisBackend': 'aim'}
"""What mmengine's backends import when the first number is written."""
REQUIRED = ('model', 'train_dataloader', 'test_dataloader', 'optim_wrapper', 'train_cfg')


def check_keys(cfg: Mapping[str, Any] | Config) -> None:
    """Refuses configs that lack what every run needs, or hold something of another kind there.

    Raises:
        ConfigError: Naming the missing or wrong key.
    """
    check_top_level(cfg)
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
    for key, changes in (('method.cfg', method.get('cfg')), ('method.base.cfg', (method.get('base') or {}).get('cfg')),
                         *((f'steps.{group}.cfg', (options or {}).get('cfg')) for group, options in
                           (cfg.get('steps') or {}).items())):
        _check_dictionary(changes, key)
        check_changes(changes or {}, key)
    for split in ('train', 'val', 'test'):
        _check_dataset(cfg.get(f'{split}_dataloader'), f'{split}_dataloader')
    _check_loop(cfg['train_cfg'])
    _check_model(cfg['model'])
    check_settings(cfg)


def check_settings(cfg: Mapping[str, Any] | Config) -> None:
    """Refuses keys, types and values that any config of mmengine could hold and that cannot work.

    Raises:
        ConfigError: Naming the key.
    """
    cfg = cfg.to_dict() if isinstance(cfg, Config) else cfg
    check_top_level(cfg)
    check_nested(cfg)
    check_values(cfg)
    init_default_scope(cfg.get('default_scope') or 'mmseg')
    for split in ('train', 'val', 'test'):
        _check_workers(cfg.get(f'{split}_dataloader') or {}, f'{split}_dataloader')
    for name, hook in (cfg.get('default_hooks') or {}).items():
        if hook is not None:
            check_component(HOOKS, hook, f'default_hooks.{name}')
    for key, default in (('train_cfg', 'IterBasedTrainLoop'), ('val_cfg', 'ValLoop'), ('test_cfg', 'TestLoop')):
        if cfg.get(key) and not cfg[key].get('by_epoch'):
            options = {name: value for name, value in cfg[key].items() if name != 'by_epoch'}
            check_component(LOOPS, options, key, ('runner', 'dataloader', 'evaluator'), default)
    for key in ('val_evaluator', 'test_evaluator'):
        found = cfg.get(key) or []
        for index, metric in enumerate(found if isinstance(found, list | tuple) else [found]):
            check_component(METRICS, metric, key if found is metric else f'{key}[{index}]', default='Evaluator')
    if cfg.get('log_processor'):
        check_component(LOG_PROCESSORS, cfg['log_processor'], 'log_processor', default='LogProcessor')
    if cfg.get('visualizer'):
        _check_visualizer(cfg['visualizer'])


def _check_visualizer(visualizer: Any) -> None:
    check_component(VISUALIZERS, visualizer, 'visualizer', default='Visualizer')
    backends = visualizer.get('vis_backends') or []
    for index, backend in enumerate(backends if isinstance(backends, list | tuple) else [backends]):
        check_component(VISBACKENDS, backend, f'visualizer.vis_backends[{index}]')
        package = BACKEND_PACKAGES.get(str(backend['type']))
        if package and find_spec(package) is None:
            raise ConfigError(f'visualizer.vis_backends[{index}].type: {backend["type"]} needs the package {package}, '
                              f'which is not installed')


def _check_dictionary(value: Any, key: str) -> None:
    if value is not None and not isinstance(value, Mapping):
        raise ConfigError(f'{key}: must be a dictionary, found {value!r}')


def _check_dataset(loader: Mapping[str, Any] | None, key: str) -> None:
    if loader is None:
        return
    if not isinstance(loader.get('dataset'), Mapping):
        raise ConfigError(f'{key}.dataset: must be the config of a data set, found {loader.get("dataset")!r}')
    _check_dictionary(loader.get('sampler'), f'{key}.sampler')


def _check_workers(loader: Mapping[str, Any], key: str) -> None:
    if not loader.get('num_workers'):
        for name in ('prefetch_factor', 'persistent_workers'):
            if loader.get(name):
                raise ConfigError(f'{key}.{name}: {loader[name]!r} needs data workers, but {key}.num_workers is '
                                  f'{loader.get("num_workers", 0)}')


def _check_loop(train_cfg: Mapping[str, Any]) -> None:
    loop = train_cfg.get('type')
    if train_cfg.get('by_epoch') or loop not in (None, 'IterBasedTrainLoop'):
        found = 'by_epoch=True' if train_cfg.get('by_epoch') else loop
        raise ConfigError(f"train_cfg: found {found}; mmciss trains by iterations, so that a step can be "
                          f"resumed anywhere. Use train_cfg=dict(type='IterBasedTrainLoop', max_iters=...) and "
                          f"give epochs, if wanted, in steps=dict(base=dict(epochs=...), later=dict(epochs=...))")


def _check_model(model: Mapping[str, Any]) -> None:
    if not isinstance(model.get('decode_head'), dict | list | tuple):
        raise ConfigError(f"model: {model.get('type')} has no decode_head; mmciss extends encoder-decoder "
                          f"segmentors (EncoderDecoder, CascadeEncoderDecoder)")
    options = model.get('test_cfg') or {}
    _check_dictionary(options, 'model.test_cfg')
    if options.get('mode', 'whole') not in ('slide', 'whole'):
        raise ConfigError(f"model.test_cfg.mode: must be one of 'slide', 'whole'; found {options['mode']!r}")
    for key in ('crop_size', 'stride') if options.get('mode') == 'slide' else ():
        if not isinstance(options.get(key), list | tuple):
            raise ConfigError(f"model.test_cfg.{key}: mode='slide' needs two integers, found {options.get(key)!r}")
