"""From a user's config to the plain config of one step: pure functions without data, models or files."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

from mmengine.config import Config, ConfigDict
from mmseg.registry import MODELS

from mmciss.datasets.exemplars import ReplayOptions
from mmciss.engine.model_config import replace_main_loss, strip_pretrained
from mmciss.engine.runner.schedule import StepPlan, make_resumable, scale_schedulers
from mmciss.errors import ConfigError, unknown_name
from mmciss.evaluation.evaluator import kept_metrics
from mmciss.models.classifiers.head_config import set_num_classes
from mmciss.models.slot import SharedSlot
from mmciss.models.step_context import StepState
from mmciss.protocols.step import BACKGROUND, Step
from mmciss.registry import INITIALIZERS, STATISTICS, STRUCTURES, class_of
from mmciss.utils.configs import merge_changes

METHOD_SLOTS = (
    'main_loss',
    'losses',
    'shared',
    'labeler',
    'initializer',
    'freeze',
    'classifier',
    'structure',
    'decision',
    'statistics',
    'memory',
    'hooks',
    'cfg',
)
"""The slots that a method may fill. The code that reads them knows no method.

``cfg`` is merged into the config of each later step (``base.cfg`` into that of the base step), before the user's
``steps``; it is meant for settings such as learning rates per parameter group.
"""

SOLVERS = (('structure', STRUCTURES), ('initializer', INITIALIZERS))
"""Slots that may solve for what later steps learn."""

NEWEST = 'steps.new.'
"""In ``optim_wrapper.paramwise_cfg.custom_keys`` and ``freeze`` this stands for the rows that the step adds."""

CARRIED_SLOTS = ('classifier', 'structure', 'decision', 'shared')
"""Slots that shape the model itself; the base step has the same as later steps unless ``base`` sets its own."""

EXTENSION_KEYS = ('extension', 'exemplars')
"""Slots for tools/extend.py: for a finished model alone, and where sums or images tell of every old class."""


def method_slots(method: dict[str, Any] | None, step: Step) -> dict[str, Any]:
    """Returns the slots that a method fills at a step.

    Args:
        method: The config key ``method``; None means plain fine-tuning.
        step: The step; the base step takes its slots from ``method.base``.

    Raises:
        ConfigError: If a key is unknown.
    """
    method = dict(method or {})
    base = dict(method.pop('base', None) or {})
    method.pop('name', None)
    extending = {f'method.{name}': dict(method.pop(name, None) or {}) for name in EXTENSION_KEYS}
    for place, slots in {'method': method, 'method.base': base, **extending}.items():
        for key in slots:
            if key not in METHOD_SLOTS:
                others = ('name', 'base', *EXTENSION_KEYS) if place == 'method' else ()
                raise unknown_name('slot', key, METHOD_SLOTS + others, f'{place}.{key}')
    if not step.is_base:
        return {key: method.get(key) for key in METHOD_SLOTS}
    carried = {key: method.get(key) for key in CARRIED_SLOTS}
    carried['statistics'] = passes_after_training(method.get('statistics'))
    return {key: base.get(key, carried.get(key)) for key in METHOD_SLOTS}


def passes_after_training(statistics: Any) -> dict[str, dict[str, Any]] | None:
    """Returns the passes over the data that run after training, which the base step has too."""
    if not isinstance(statistics, Mapping):
        return None  # rejected where the slots are built
    found: dict[str, Any] = {
        name: config for name, config in statistics.items() if isinstance(config, Mapping) and _is_after(config)
    }
    return found or None


def solves(slots: Mapping[str, Any]) -> bool:
    """Whether a method solves for what later steps learn rather than training it."""
    return any(getattr(class_of(registry, slots.get(slot)), 'solved', False) for slot, registry in SOLVERS)


def trained_slots(slots: Mapping[str, Any]) -> dict[str, Any] | None:
    """Returns the slots that decide what training makes of a base step's model, None if it leaves more than the model.

    Passes after training, rows that are solved for, and shared objects that see no batch have no part in it. Base steps
    that differ in nothing else can have the same model.

    Args:
        slots: The slots of the base step.
    """
    passes, shared = slots.get('statistics') or {}, slots.get('shared') or {}
    main_needs = getattr(class_of(MODELS, slots.get('main_loss')), 'needs', ())
    if any(slots.get(name) for name in ('losses', 'classifier', 'hooks', 'labeler')):
        return None
    if slots.get('structure') and not solves(slots):
        return None
    if passes_after_training(passes) != (passes or None) or any(need.startswith('shared.') for need in main_needs):
        return None
    kinds = [class_of(MODELS, item) for item in shared.values() if item]
    if not all(isinstance(kind, type) and issubclass(kind, SharedSlot) for kind in kinds):
        return None
    if any(kind.update is not SharedSlot.update for kind in kinds):
        return None
    return {key: value for key, value in slots.items() if value and key not in ('statistics', 'structure', 'shared')}


def _is_after(config: Mapping[str, Any]) -> bool:
    return bool(config.get('when', getattr(class_of(STATISTICS, config), 'when', None)) == 'after')


def make_step_config(
    cfg: Config,
    step: Step,
    plan: StepPlan,
    previous: StepState | None = None,
    report_sizes: Sequence[int] | None = None,
    classes: Sequence[str] | None = None,
) -> Config:
    """Returns the plain mmengine config of one step.

    Args:
        cfg: The user's config with ``protocol``, ``method`` and ``steps``.
        step: The step.
        plan: Iterations and learning rate of the step.
        previous: What the previous step left; None at the base step.
        report_sizes: Channels per step by which results are reported, if they differ from the step's own (a joint model
            learns in one step and is compared with protocols of several).
        classes: Class names of the training data; validation and test data are matched by them.

    Returns:
        A new config; ``cfg`` is not changed.

    Raises:
        ConfigError: If a slot is unknown or cannot be filled.
    """
    if step.is_base != (previous is None):
        raise ConfigError(f'step {step.index} {"must not" if step.is_base else "must"} have a previous step')
    out = copy.deepcopy(cfg)
    # A copy, since what is merged into ``out`` is renamed there for this step (``steps.new.``).
    slots = copy.deepcopy(method_slots(cfg.get('method'), step))
    protocol = dict(cfg['protocol'])
    for key in ('protocol', 'method', 'steps', 'runner_type', 'base_from'):
        out.pop(key, None)
    _model(out, slots, step, previous)
    _data(out, step, protocol, slots, plan.global_batch, previous, classes)
    _schedule(out, plan)
    _evaluation(out, step, report_sizes or step.sizes, classes)
    _housekeeping(out, step, slots)
    for changes in (slots['cfg'], copy.deepcopy(plan.cfg)):
        merge_changes(out, changes)
    _name_newest_rows(out, step)
    if (out.get('default_hooks') or {}).get('checkpoint'):
        make_resumable(out.default_hooks.checkpoint, out.optim_wrapper.get('accumulative_counts'))
    return out


def _model(out: Config, slots: dict[str, Any], step: Step, previous: StepState | None) -> None:
    segmentor = copy.deepcopy(out.model)
    preprocessor = segmentor.pop('data_preprocessor', None) or out.pop('data_preprocessor', None)
    out.pop('data_preprocessor', None)
    set_num_classes(segmentor, step.num_seen)
    if slots['main_loss'] is not None:
        replace_main_loss(segmentor, slots['main_loss'])
    if previous is not None:
        strip_pretrained(segmentor)
    out.model = ConfigDict(
        type='IncrementalSegmentor',
        segmentor=segmentor,
        step=step.to_dict(),
        data_preprocessor=preprocessor,
        losses=slots['losses'],
        shared=slots['shared'],
        labeler=slots['labeler'],
        initializer=slots['initializer'],
        freeze=slots['freeze'],
        classifier=slots['classifier'],
        structure=slots['structure'],
        decision=slots['decision'],
        previous=None if previous is None else previous.to_dict(),
        checkpoint=out.get('load_from') if previous is None else None,
        channels_last=out.pop('channels_last', False),
        accuracy_interval=out.pop('accuracy_interval', 1),
        compiling=_compiling(out.pop('compile', None)),
    )
    out.load_from = None


def _compiling(value: bool | dict[str, Any] | None) -> dict[str, Any] | None:
    """Takes ``compile`` away from mmengine, which would compile the training step, whose hooks read maps."""
    return ({} if value else None) if value is None or isinstance(value, bool) else value


def _data(
    out: Config,
    step: Step,
    protocol: dict[str, Any],
    slots: dict[str, Any],
    global_batch: int | None,
    previous: StepState | None,
    classes: Sequence[str] | None,
) -> None:
    policy = protocol.pop('label_policy', 'plop')
    for split in ('train', 'val', 'test'):
        loader = out.get(f'{split}_dataloader')
        if loader is None:
            continue
        loader.dataset = ConfigDict(
            type='IncrementalDataset',
            dataset=loader.dataset,
            protocol=protocol,
            step_index=step.index,
            policy=policy,
            split=split,
        )
        if split == 'train':
            seed = int((out.get('randomness') or {}).get('seed') or 0)
            _training_data(loader, slots, seed, global_batch, previous)
            continue
        if classes is not None:
            loader.dataset.classes = list(classes)
        if loader.get('batch_sampler') is None and loader.get('sampler') is None:
            loader.sampler = ConfigDict(type='DefaultSampler', shuffle=False)


def _training_data(
    loader: ConfigDict, slots: dict[str, Any], seed: int, global_batch: int | None, previous: StepState | None
) -> None:
    """Adds the stored images, if there are any, and a sampler that can resume at any iteration."""
    options = ReplayOptions.from_method(slots)
    if options is not None and previous is not None and previous.memory is not None:
        loader.dataset = ConfigDict(
            type='ReplayDataset', dataset=loader.dataset, memory=str(previous.memory), options=slots['memory']
        )
    else:
        options = None
    mixes = options is not None and options.mode == 'batch'
    sampler = loader.get('sampler') or {}
    kind = sampler.get('type', 'InfiniteSampler')
    if kind == 'InfiniteSampler':
        loader.sampler = ConfigDict(
            type='ReplaySampler' if mixes else 'IncrementalInfiniteSampler',
            shuffle=sampler.get('shuffle', True),
            seed=seed,
            batch_size=global_batch,
        )
    elif mixes and kind != 'ReplaySampler':
        raise ConfigError(
            f"train_dataloader.sampler.type: method.memory.mode='batch' needs its own sampler; allowed: "
            f"'InfiniteSampler', found {kind!r}"
        )


def _name_newest_rows(out: Config, step: Step) -> None:
    """Replaces ``steps.new.`` in the names of parameter groups by the step's number."""
    groups: Any = (out.optim_wrapper.get('paramwise_cfg') or {}).get('custom_keys')
    for name in [name for name in groups if NEWEST in name] if isinstance(groups, Mapping) else ():
        options = groups.pop(name)
        if step.num_new:
            groups[name.replace(NEWEST, f'steps.{step.index}.')] = options


def _schedule(out: Config, plan: StepPlan) -> None:
    old = out.train_cfg.get('max_iters') or plan.iterations
    out.train_cfg.max_iters = plan.iterations
    out.train_cfg.pop('max_epochs', None)
    # A schedule of no iterations is refused by mmengine.
    scaled = scale_schedulers(out.get('param_scheduler'), old, plan.iterations) if plan.iterations else None
    out.param_scheduler = scaled
    if not plan.iterations:
        # Constructors go by names, and stop where nothing learns; without them the optimizer has every parameter.
        out.optim_wrapper.pop('paramwise_cfg', None)
        out.optim_wrapper.pop('constructor', None)
    if plan.lr is not None:
        out.optim_wrapper.optimizer.lr = plan.lr
    constructor = out.optim_wrapper.get('constructor')
    if constructor not in (None, 'DefaultOptimWrapperConstructor'):
        # Constructors that go by parameter names ('backbone.stages.0...') must see the plain segmentor.
        out.optim_wrapper.constructor = 'SegmentorOptimWrapperConstructor'
        out.optim_wrapper.inner_constructor = constructor


def _evaluation(out: Config, step: Step, sizes: Sequence[int], classes: Sequence[str] | None) -> None:
    """Replaces MMSegmentation's mean IoU with our metric; the user's other metrics stay."""
    metric = ConfigDict(type='IncrementalIoUMetric', sizes=list(sizes), background=step.background)
    if step.background and classes is not None and classes[0] != BACKGROUND:
        metric.count_background = False
    for split in ('val', 'test'):
        loop, evaluator = f'{split}_cfg', f'{split}_evaluator'
        if out.get(f'{split}_dataloader') is None:
            out[loop] = out[evaluator] = None
            continue
        kept = kept_metrics(out.get(evaluator))
        out[evaluator] = copy.deepcopy(metric)
        if kept:
            out[evaluator] = ConfigDict(type='IncrementalEvaluator', metrics=[out[evaluator], *kept])
        out[loop] = out.get(loop) or ConfigDict(type=f'{split.capitalize()}Loop')


def _housekeeping(out: Config, step: Step, slots: dict[str, Any]) -> None:
    work_dir = out.get('work_dir') or './work_dirs/unnamed'
    out.work_dir = f'{work_dir}/step_{step.index}'
    # Two runners in one process share loggers and visualizers of the same name; a name per step keeps them apart.
    out.experiment_name = f'{out.get("experiment_name") or "mmciss"}_step_{step.index}'
    visualizer = out.get('visualizer')
    if visualizer is not None:
        visualizer.name = f'{visualizer.get("name", "visualizer")}_{out.work_dir}'
    for key in ('env_cfg', 'randomness', 'launcher'):
        if out.get(key) is None:  # the runner would take None as a value
            out.pop(key, None)
    randomness = out.setdefault('randomness', ConfigDict())
    randomness.seed = int(randomness.get('seed') or 0) + step.index
    hooks: list[Any] = [ConfigDict(type='TeacherHook'), ConfigDict(type='ReproducibleRandomHook')]
    if slots['statistics']:
        hooks.append(ConfigDict(type='StatisticsHook', passes=slots['statistics']))
    hooks.append(ConfigDict(type='NonFiniteLossHook'))
    hooks += list(slots['hooks'] or [])
    out.custom_hooks = list(out.get('custom_hooks') or []) + hooks
