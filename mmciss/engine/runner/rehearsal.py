"""Builds everything that a run will need, before the first iteration, so that mistakes show early."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

import torch
from mmengine.config import Config
from mmengine.dist import is_distributed
from mmengine.optim import build_optim_wrapper
from mmengine.registry import HOOKS, OPTIMIZERS, PARAM_SCHEDULERS
from mmseg.registry import DATA_SAMPLERS, MODELS
from torch import Tensor

from mmciss.datasets.image_pairs import check_sizes
from mmciss.datasets.samplers import DrawnIndex
from mmciss.datasets.seeding import seeded
from mmciss.engine.checks.components import check_averages, check_priority
from mmciss.engine.checks.config import check_settings
from mmciss.engine.runner.experiment import Experiment
from mmciss.engine.runner.step_config import method_slots
from mmciss.engine.statistics.data_pass import MOMENTS, DataPass
from mmciss.errors import ConfigError, close_matches
from mmciss.models.classifiers.grow import build_segmentor
from mmciss.models.classifiers.probe import note_growable
from mmciss.models.losses.extra_loss import ExtraLoss
from mmciss.models.outputs import Readout, run_segmentor
from mmciss.models.previous import load_plain_checkpoint
from mmciss.models.slot import SlotLife
from mmciss.models.slots import NAMED_SLOTS, SINGLE_SLOTS, check_needs, check_samples, check_statistics, named_configs
from mmciss.models.step_context import StepState
from mmciss.protocols.step import Step
from mmciss.utils.blame import blaming, build
from mmciss.utils.configs import dataset_configs
from mmciss.utils.environment import drop_frozen_parameter_notes


def rehearse(experiment: Experiment) -> None:
    """Builds the model, optimizer, schedule, hooks and slots of the first two steps, and loads one sample.

    A mistake in what only later steps use would otherwise show after the base step is trained. No generator of random
    numbers is changed.

    Raises:
        ConfigError: Naming the config key of what does not work.
    """
    inputs: Any = None
    fields: Any = ()
    with seeded(0, 0):
        _check_changed_settings(experiment)
        parts = range(min(2, len(experiment.protocol)))
        configs = [experiment.step_config(index, StepState('model.pth') if index else None) for index in parts]
        segmentors = _build_segmentors(configs)
        for index, cfg in enumerate(configs):
            step = experiment.protocol[index]
            now = slice(1, None) if index else slice(0, 1)
            lengths = [plan.iterations for plan in experiment.plans[now]]
            steps, built = experiment.protocol.steps[now], segmentors.pop(0)
            model = rehearse_step(experiment.cfg.get('method'), cfg, step, steps, lengths, built)
            if not index:
                inputs, fields = _check_forward(experiment, model, cfg.train_dataloader.sampler)
            else:
                _check_maps(model, inputs)
            check_samples(model.slots(), fields)


def _build_segmentors(configs: Sequence[Config]) -> list[Any]:
    """Builds the plain segmentors of steps; None for each if one cannot be built, which rehearsing that step shows."""
    with suppress(ConfigError), blaming('model'):
        segmentors = [build_segmentor(cfg.model.segmentor) for cfg in configs]
        if len(segmentors) > 1:
            note_growable(segmentors)
        return segmentors
    return [None] * len(configs)


def rehearse_step(
    method: dict[str, Any] | None,
    cfg: Config,
    step: Step,
    steps: Sequence[Step],
    lengths: Sequence[int],
    segmentor: Any = None,
) -> Any:
    """Builds the slots, hooks, model, optimizer and schedule of a step.

    Args:
        method: The user's config key ``method``.
        cfg: The plain config of the step.
        step: The step.
        steps: The steps that slots and hooks check.
        lengths: The iterations of these steps.
        segmentor: The plain segmentor, if it is built already.

    Returns:
        The model, without the weights of the previous step.

    Raises:
        ConfigError: Naming the config key of what does not work.
    """
    passes = check_slots(method, step)
    hooks = _check_hooks(cfg.get('default_hooks') or {}, cfg.custom_hooks)
    with blaming('model'):
        config = copy.deepcopy(cfg.model)
        model = MODELS.build(config if segmentor is None else {**config, 'segmentor': segmentor})
    for slot in (*(hook for _, hook in hooks if isinstance(hook, SlotLife)), *model.slots().values()):
        for other in steps:
            slot.check_step(other)
    _check_passes(model, passes)
    check_averages(hooks, model, lengths)
    if model.checkpoint is not None:
        load_plain_checkpoint(model.segmentor, model.checkpoint, key='load_from')
    _check_optimizer(cfg, model)
    return model


def _check_changed_settings(experiment: Experiment) -> None:
    """Checks the configs of steps that ``steps.*.cfg`` or ``method.cfg`` change."""
    for index, step in enumerate(experiment.protocol):
        if experiment.plans[index].cfg or method_slots(experiment.cfg.get('method'), step)['cfg']:
            try:
                check_settings(experiment.step_config(index, StepState('model.pth') if index else None))
            except ConfigError as error:
                raise ConfigError(f'step {index}, as changed by steps.*.cfg or method.cfg: {error}') from error


def check_slots(method: dict[str, Any] | None, step: Step) -> dict[str, DataPass]:
    """Builds every slot of the method on its own, so that an error names the slot, and returns the passes by name.

    Raises:
        ConfigError: Naming the slot.
    """
    place = 'method.base' if step.is_base and (method or {}).get('base') else 'method'
    slots = method_slots(method, step)
    for name, registry in {'main_loss': MODELS, **SINGLE_SLOTS}.items():
        if slots[name] is not None:
            build(registry, copy.deepcopy(slots[name]), f'{place}.{name}')
    built = {}
    for name, registry in NAMED_SLOTS.items():
        for key, config in named_configs(slots[name], f'{place}.{name}').items():
            built[f'{name}.{key}'] = build(registry, copy.deepcopy(config), f'{place}.{name}.{key}')
    return {key: item for key, item in built.items() if key.startswith('statistics.')}


def _check_passes(model: Any, passes: Mapping[str, DataPass]) -> None:
    """Rejects passes whose needs the model cannot meet, and slots that need what no pass finds."""
    for key, item in passes.items():
        if item.when not in MOMENTS:
            raise ConfigError(f'method.{key}: {type(item).__name__}.when is {item.when!r}; allowed: {MOMENTS}')
        if item.applies(model.step):
            check_needs(model.segmentor, item, f'method.{key}', model.shared)
    if model.step.num_new:
        base = model.step.is_base
        run = [item for item in passes.values() if item.applies(model.step) and not (base and item.when == 'before')]
        check_statistics(model.slots(), [name for item in run for name in item.finds])


def _check_hooks(default: Mapping[str, Any], custom: Sequence[Any]) -> list[tuple[str, Any]]:
    """Builds the hooks and returns them with their keys."""
    configs = {
        f'default_hooks.{name}': config
        for name, config in default.items()
        if config is not None and name != 'visualization'
    }  # the visualization hook looks for the visualizer of a run
    configs.update({f'method.hooks or custom_hooks[{index}]': config for index, config in enumerate(custom)})
    hooks = []
    for key, config in configs.items():
        hook = build(HOOKS, copy.deepcopy(config), key)
        check_priority(config, hook, key)
        hooks.append((key, hook))
    return hooks


def _check_optimizer(cfg: Config, model: torch.nn.Module) -> None:
    kind = (cfg.optim_wrapper.get('optimizer') or {}).get('type')
    # mmengine silently uses None if nothing has that name.
    if isinstance(kind, str) and OPTIMIZERS.get(kind) is None:
        raise ConfigError(
            f'optim_wrapper.optimizer: nothing is called {kind!r}.{close_matches(kind, list(OPTIMIZERS.module_dict))}'
        )
    drop_frozen_parameter_notes()
    with blaming('optim_wrapper'):
        wrapper = build_optim_wrapper(model, copy.deepcopy(cfg.optim_wrapper))
    schedulers = cfg.get('param_scheduler') or []
    for index, config in enumerate(schedulers if isinstance(schedulers, list | tuple) else [schedulers]):
        if not config.get('by_epoch', True):
            build(
                PARAM_SCHEDULERS,
                copy.deepcopy(config),
                f'param_scheduler[{index}]',
                default_args=dict(optimizer=getattr(wrapper, 'optimizer', wrapper)),
            )


def _check_maps(model: Any, inputs: Tensor) -> None:
    """Rejects tapped modules that give different maps in training than a teacher's give in evaluation mode."""
    if not model.layers or not model.needs_teacher:
        return
    outputs = []
    for training in (True, False):
        model.train(training)
        # Two images, since batch norm over a single pooled pixel needs them.
        with blaming('model'), torch.no_grad(), Readout(model.segmentor, model.layers) as readout:
            run_segmentor(model.segmentor, torch.cat([inputs[:1], inputs[:1]]))
        outputs.append(readout.output())
    for name, loss in model.losses.items():
        if isinstance(loss, ExtraLoss):
            loss.tapped_maps(outputs[0], outputs[1], key=f'method.losses.{name}')


def _check_forward(experiment: Experiment, model: Any, sampler: dict[str, Any]) -> tuple[Tensor, list[str]]:
    """Loads one sample of each split and runs the model on that for training.

    Returns:
        The image of the latter ``(1, 3, H, W)``, and the names of its fields.
    """
    dataset = experiment.dataset(0, 'train')
    if not is_distributed():  # mmengine's samplers communicate with the other ranks
        build(DATA_SAMPLERS, sampler, 'train_dataloader.sampler', default_args=dict(dataset=dataset))
    samples = {}
    configs = dataset_configs(experiment.cfg)
    splits = [split for split in configs if split != 'val' or configs['val'] != configs['test']]
    for split in splits:
        data = dataset if split == 'train' else experiment.dataset(0, split)
        check_sizes(data.dataset)
        key = f'{split}_dataloader.dataset.pipeline'
        if not len(data):
            continue
        with blaming(key):
            samples[split] = sample = data[DrawnIndex(0, seed=0, draw=0)]
        if not isinstance(sample, dict) or not {'inputs', 'data_samples'} <= sample.keys():
            raise ConfigError(
                f'{key}: must end with PackSegInputs; it gives '
                f'{sorted(sample) if isinstance(sample, dict) else type(sample).__name__}'
            )
        if 'gt_sem_seg' not in sample['data_samples'] and split == 'train':
            raise ConfigError(f'{key}: gives no labels; LoadAnnotations and PackSegInputs are needed')
    with blaming('model'), torch.no_grad():
        sample = samples['train']
        batch = {'inputs': [sample['inputs']], 'data_samples': [sample['data_samples']]}
        data = model.eval().data_preprocessor(batch, True)
        model(data['inputs'], data['data_samples'], mode='tensor')
    return data['inputs'], list(sample['data_samples'].keys())
