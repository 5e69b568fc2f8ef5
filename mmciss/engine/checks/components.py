"""The parts of a config that name a type: does it exist, and does it take these arguments?"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from mmengine.hooks import EMAHook, Hook
from mmengine.registry import FUNCTIONS, MODEL_WRAPPERS, MODELS, WEIGHT_INITIALIZERS, init_default_scope
from mmengine.runner import CheckpointLoader
from mmengine.runner.priority import Priority, get_priority
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
from torch import nn

from mmciss.engine.checks.values import walk
from mmciss.errors import ConfigError, close_matches, prefixed
from mmciss.evaluation.evaluator import kept_metrics, listed_metrics
from mmciss.evaluation.metrics.incremental_iou_metric import NAMES
from mmciss.utils.blame import blaming, build, check_component, unknown_type

BACKEND_PACKAGES = {
    'TensorboardVisBackend': 'tensorboard',
    'WandbVisBackend': 'wandb',
    'MLflowVisBackend': 'mlflow',
    'ClearMLVisBackend': 'clearml',
    'NeptuneVisBackend': 'neptune',
    'DVCLiveVisBackend': 'dvclive',
    'AimVisBackend': 'aim',
}
"""The packages that mmengine's backends import when they write their first number."""
LOOP_TYPES = {'train_cfg': 'IterBasedTrainLoop', 'val_cfg': 'ValLoop', 'test_cfg': 'TestLoop'}


def check_components(cfg: Mapping[str, Any]) -> None:
    """Refuses unknown types and arguments of loaders, loops, schedules, hooks, evaluators and loggers.

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
    for index, schedule in enumerate(_as_list(cfg.get('param_scheduler'))):
        if not isinstance(schedule, Mapping) or 'type' in schedule:  # without a type: schedules by optimizer name
            check_component(PARAM_SCHEDULERS, schedule, f'param_scheduler[{index}]', ('optimizer',))
    for name, hook in (cfg.get('default_hooks') or {}).items():
        if hook is not None:
            check_component(HOOKS, hook, f'default_hooks.{name}')
    for key in ('val_evaluator', 'test_evaluator'):
        metrics = listed_metrics(cfg.get(key))
        places = [key] if metrics == [cfg.get(key)] else [f'{key}[{index}]' for index in range(len(metrics))]
        for place, metric in zip(places, metrics, strict=True):
            check_component(METRICS, metric, place)
        for place, metric in zip(places, metrics, strict=True):
            if metric in kept_metrics(metrics):
                build(METRICS, metric, place)
    if cfg.get('log_processor'):
        check_component(LOG_PROCESSORS, cfg['log_processor'], 'log_processor', default='LogProcessor')
    if cfg.get('visualizer'):
        _check_visualizer(cfg['visualizer'])
    if cfg.get('model_wrapper_cfg'):
        wrapper = cfg['model_wrapper_cfg']
        check_component(MODEL_WRAPPERS, wrapper, 'model_wrapper_cfg', ('module',), 'MMDistributedDataParallel')
    if cfg.get('runner_type') is not None and RUNNERS.get(str(cfg['runner_type'])) is None:
        raise unknown_type(RUNNERS, cfg['runner_type'], 'runner_type')


def _as_list(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list | tuple) else [] if value is None else [value]


def _check_scope(scope: Any) -> None:
    scope = scope or 'mmseg'
    if scope != 'mmengine' and scope not in MODELS.children and find_spec(str(scope).split('.')[0]) is None:
        guess = close_matches(str(scope), ['mmengine', *MODELS.children], 1)
        raise ConfigError(f'default_scope: there is no package or registry {scope!r}.{guess}')
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


def _check_visualizer(visualizer: Any) -> None:
    check_component(VISUALIZERS, visualizer, 'visualizer', default='Visualizer')
    for index, backend in enumerate(_as_list(visualizer.get('vis_backends'))):
        key = f'visualizer.vis_backends[{index}]'
        check_component(VISBACKENDS, backend, key)
        package = BACKEND_PACKAGES.get(str(backend['type']))
        if package and find_spec(package) is None:
            raise ConfigError(f'{key}.type: {backend["type"]} needs the package {package}, which is not installed')


def check_save_best(cfg: Mapping[str, Any]) -> None:
    """Refuses a metric in ``save_best`` that does not exist, on which the first validation would fail.

    Raises:
        ConfigError: Naming the metric and those that exist.
    """
    checkpoint = (cfg.get('default_hooks') or {}).get('checkpoint') or {}
    if kept_metrics(cfg.get('val_evaluator')):
        return  # what they call their results is not known
    for name in _as_list(checkpoint.get('save_best')):
        if name not in ('auto', *NAMES.values()):
            raise ConfigError(
                f"default_hooks.checkpoint.save_best: no metric is called {name!r}. Allowed: 'auto', "
                f'{", ".join(map(repr, NAMES.values()))}.{close_matches(str(name), NAMES.values(), 1)}'
            )


def check_pretrained(model: Mapping[str, Any]) -> None:
    """Refuses unknown initializers in a model's config, and weights that are missing or cannot be downloaded.

    What is downloaded stays in torch's cache, where the model finds it.

    Raises:
        ConfigError: Naming the key and what it holds.
    """
    for key, value in walk(model, 'model'):
        if key.endswith('.init_cfg'):
            for config in _as_list(value):
                kind = config.get('type') if isinstance(config, Mapping) else config
                if not isinstance(config, Mapping) or WEIGHT_INITIALIZERS.get(str(kind)) is None:
                    raise unknown_type(WEIGHT_INITIALIZERS, kind, key)
        if not key.endswith(('.init_cfg.checkpoint', '.pretrained')) or not isinstance(value, str):
            continue
        if '://' not in value:
            if not Path(value).expanduser().is_file():
                raise ConfigError(f'{key}: no file {value}')
            continue
        try:
            with prefixed(f'{key}: {value}'):
                CheckpointLoader.load_checkpoint(value, map_location='cpu', logger='silent')
        except KeyError as error:
            raise ConfigError(f'{key}: {value}: the model zoo has no {error}') from error


def check_priority(config: Mapping[str, Any], hook: Any, key: str) -> None:
    """Refuses a hook whose priority mmengine cannot read.

    Args:
        config: The hook's config.
        hook: The hook.
        key: The config's key.

    Raises:
        ConfigError: Naming the priority and those that exist.
    """
    priority = config.get('priority', getattr(hook, 'priority', 'NORMAL'))
    names = [item.name for item in Priority]
    try:
        get_priority(priority)
    except (KeyError, TypeError, ValueError) as error:
        raise ConfigError(
            f'{key}.priority: must be one of {", ".join(names)} or an integer from 0 to 100; found '
            f'{priority!r}.{close_matches(str(priority).upper(), names, 1)}'
        ) from error


def check_averages(hooks: Iterable[tuple[str, Hook]], model: nn.Module, iterations: Iterable[int]) -> None:
    """Builds the averages of the weights that hooks keep, as they do when a run begins.

    Args:
        hooks: The hooks with their keys.
        model: The model.
        iterations: The length of every step.

    Raises:
        ConfigError: If an average cannot be built, or would begin after the end of a step.
    """
    shortest = min(iterations)
    for key, hook in hooks:
        if not isinstance(hook, EMAHook):
            continue
        if getattr(getattr(model, 'structure', None), 'solved', False):
            raise ConfigError(
                f'{key}: an average of weights does not have the rows that {type(model.structure).__name__} '
                f'(method.structure) solves for when training is over; leave the hook out'
            )
        if hook.begin_iter > shortest:
            raise ConfigError(
                f'{key}.begin_iter: {hook.begin_iter}, but a step of this run has only {shortest} iterations; '
                f'allowed: 0 to {shortest}'
            )
        with blaming(key, MODELS, hook.ema_cfg['type']):
            MODELS.build(copy.deepcopy(hook.ema_cfg), default_args=dict(model=model))
