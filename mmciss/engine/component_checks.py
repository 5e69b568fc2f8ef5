"""Looking at the parts of a config that name a type: does it exist, and does it take these arguments?"""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from mmengine.registry import FUNCTIONS, MODEL_WRAPPERS, MODELS, WEIGHT_INITIALIZERS, init_default_scope
from mmseg.registry import (
    DATA_SAMPLERS,
    HOOKS,
    LOG_PROCESSORS,
    LOOPS,
    METRICS,
    PARAM_SCHEDULERS,
    RUNNERS,
    VISBACKENDS,
    VISUALIZERS,
)

from mmciss.engine.value_checks import walk
from mmciss.errors import ConfigError, close_matches
from mmciss.evaluation.incremental_iou_metric import NAMES
from mmciss.utils.blame import registered_names
from mmciss.utils.signatures import check_component

BACKEND_PACKAGES = {
    'TensorboardVisBackend': 'tensorboard',
    'WandbVisBackend': 'wandb',
    'MLflowVisBackend': 'mlflow',
    'ClearMLVisBackend': 'clearml',
    'NeptuneVisBackend': 'neptune',
    'DVCLiveVisBackend': 'dvclive',
    'AimVisBackend': 'aim',
}
"""What mmengine's backends import when the first number is written."""
LOOP_TYPES = {'train_cfg': 'IterBasedTrainLoop', 'val_cfg': 'ValLoop', 'test_cfg': 'TestLoop'}


def check_components(cfg: Mapping[str, Any]) -> None:
    """Refuses unknown types and arguments of loaders, loops, hooks, schedules, evaluators and of what logs.

    Raises:
        ConfigError: Naming the key.
    """
    _check_scope(cfg.get('default_scope'))
    for split in ('train', 'val', 'test'):
        _check_loader(cfg.get(f'{split}_dataloader') or {}, f'{split}_dataloader')
    for key, default in LOOP_TYPES.items():
        if cfg.get(key) and not cfg[key].get('by_epoch'):
            options = {name: value for name, value in cfg[key].items() if name != 'by_epoch'}
            check_component(LOOPS, options, key, ('runner', 'dataloader', 'evaluator'), default)
    for index, schedule in _listed(cfg.get('param_scheduler')):
        if not isinstance(schedule, Mapping) or 'type' in schedule:  # without: schedules by name of optimizer
            check_component(PARAM_SCHEDULERS, schedule, f'param_scheduler[{index}]', ('optimizer',))
    for name, hook in (cfg.get('default_hooks') or {}).items():
        if hook is not None:
            check_component(HOOKS, hook, f'default_hooks.{name}')
    for key in ('val_evaluator', 'test_evaluator'):
        for index, metric in _listed(cfg.get(key)):
            check_component(
                METRICS, metric, f'{key}[{index}]' if isinstance(cfg[key], list | tuple) else key, default='Evaluator'
            )
    if cfg.get('log_processor'):
        check_component(LOG_PROCESSORS, cfg['log_processor'], 'log_processor', default='LogProcessor')
    if cfg.get('visualizer'):
        _check_visualizer(cfg['visualizer'])
    if cfg.get('model_wrapper_cfg'):
        check_component(
            MODEL_WRAPPERS, cfg['model_wrapper_cfg'], 'model_wrapper_cfg', ('module',), 'MMDistributedDataParallel'
        )
    kind = cfg.get('runner_type')
    if kind is not None and RUNNERS.get(str(kind)) is None:
        raise ConfigError(
            f'runner_type: nothing is called {kind!r}.{close_matches(str(kind), registered_names(RUNNERS))}'
        )


def _listed(value: Any) -> list[tuple[int, Any]]:
    return list(enumerate(value if isinstance(value, list | tuple) else [] if value is None else [value]))


def _check_scope(scope: Any) -> None:
    scope = scope or 'mmseg'
    if scope != 'mmengine' and scope not in MODELS.children and find_spec(str(scope).split('.')[0]) is None:
        raise ConfigError(
            f'default_scope: there is no package or registry {scope!r}.'
            f'{close_matches(str(scope), ["mmengine", *MODELS.children], 1)}'
        )
    init_default_scope(scope)


def _check_loader(loader: Mapping[str, Any], key: str) -> None:
    if not loader.get('num_workers'):
        for name in ('prefetch_factor', 'persistent_workers'):
            if loader.get(name):
                raise ConfigError(
                    f'{key}.{name}: {loader[name]!r} needs data workers, but {key}.num_workers is '
                    f'{loader.get("num_workers", 0)}'
                )
    if loader.get('sampler'):
        check_component(DATA_SAMPLERS, loader['sampler'], f'{key}.sampler', ('dataset',), 'InfiniteSampler')
    if loader.get('batch_sampler'):
        check_component(DATA_SAMPLERS, loader['batch_sampler'], f'{key}.batch_sampler', ('sampler', 'batch_size'))
    for name in ('collate_fn', 'worker_init_fn'):
        if loader.get(name) and not callable(loader[name]):
            check_component(FUNCTIONS, loader[name], f'{key}.{name}', ('data_batch', 'worker_id'))


def check_best(cfg: Mapping[str, Any]) -> None:
    """Refuses ``save_best`` of a metric that does not exist, which would end the first validation.

    Raises:
        ConfigError: Naming the metric and those that exist.
    """
    checkpoint = (cfg.get('default_hooks') or {}).get('checkpoint') or {}
    for _, name in _listed(checkpoint.get('save_best')):
        if name not in ('auto', *NAMES.values()):
            raise ConfigError(
                f"default_hooks.checkpoint.save_best: no metric is called {name!r}. Allowed: 'auto', "
                f'{", ".join(map(repr, NAMES.values()))}.{close_matches(str(name), NAMES.values(), 1)}'
            )


def check_pretrained(model: Mapping[str, Any]) -> None:
    """Refuses initialisations that do not exist, and files of weights that are not there.

    Raises:
        ConfigError: Naming the key and what it holds.
    """
    for key, value in walk(model, 'model'):
        if key.endswith('.init_cfg'):
            for _, config in _listed(value):
                if not isinstance(config, Mapping) or WEIGHT_INITIALIZERS.get(str(config.get('type'))) is None:
                    found = config.get('type') if isinstance(config, Mapping) else config
                    raise ConfigError(
                        f'{key}: no way to initialise weights is called {found!r}.'
                        f'{close_matches(str(found), registered_names(WEIGHT_INITIALIZERS), 1)}'
                    )
        if key.endswith(('.init_cfg.checkpoint', '.pretrained')) and isinstance(value, str):
            if '://' not in value and not Path(value).expanduser().is_file():
                raise ConfigError(f'{key}: no file {value}')


def _check_visualizer(visualizer: Any) -> None:
    check_component(VISUALIZERS, visualizer, 'visualizer', default='Visualizer')
    for index, backend in _listed(visualizer.get('vis_backends')):
        check_component(VISBACKENDS, backend, f'visualizer.vis_backends[{index}]')
        package = BACKEND_PACKAGES.get(str(backend['type']))
        if package and find_spec(package) is None:
            raise ConfigError(
                f'visualizer.vis_backends[{index}].type: {backend["type"]} needs the package {package}, '
                f'which is not installed'
            )
