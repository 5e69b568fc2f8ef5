"""How long and how fast each step learns: the config key ``steps``, and what follows from it."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from mmciss.engine.checks.values import MOST_ITERATIONS, is_number
from mmciss.errors import ConfigError, unknown_name

STEP_KEYS = ('lr', 'iters', 'epochs', 'min_iters', 'cfg')


@dataclass(frozen=True)
class StepPlan:
    """Length and learning rate of one step.

    Attributes:
        iterations: Training iterations; 0 where a step is solved for by passes over its data.
        lr: Initial learning rate; None for the config's own.
        epochs: The epochs that the iterations amount to; None if the length was given in iterations.
        cfg: What is merged into the step's config last.
        global_batch: Images per iteration over all processes; None if not known.
    """

    iterations: int
    lr: float | None = None
    epochs: float | None = None
    cfg: dict[str, Any] = field(default_factory=dict)
    global_batch: int | None = None


def step_options(steps: dict[str, Any] | None, index: int) -> dict[str, Any]:
    """Returns the options of one step: ``base`` or ``later``, overridden by the entry with its number.

    Raises:
        ConfigError: If a key is unknown.
    """
    steps = dict(steps or {})
    for name, options in steps.items():
        if name not in ('base', 'later') and not str(name).isdigit():
            raise unknown_name('group of steps', name, ('base', 'later', "a step's number"), f'steps.{name}')
        for key in options or {}:
            if key not in STEP_KEYS:
                raise unknown_name('option', key, STEP_KEYS, f'steps.{name}.{key}')
    common = dict(steps.get('base' if index == 0 else 'later') or {})
    numbered: Mapping[Any, Any] = steps
    own = dict(numbered.get(str(index), numbered.get(index)) or {})
    if {'iters', 'epochs'} & own.keys():
        for key in ('iters', 'epochs', 'min_iters'):
            common.pop(key, None)
    return {**common, **own}


def plan_step(
    steps: dict[str, Any] | None,
    index: int,
    num_images: int,
    global_batch: int,
    default_iterations: int | None,
    solved: bool = False,
) -> StepPlan:
    """Decides the length and the learning rate of a step.

    Epochs become iterations as in the papers: incomplete batches are dropped. A step with few images may be given more
    of them by ``min_iters``, the least number of iterations.

    Args:
        steps: The config key ``steps``.
        index: The step's number.
        num_images: Images of the step.
        global_batch: Images per iteration over all processes.
        default_iterations: ``train_cfg.max_iters``, used if ``steps`` gives no length.
        solved: Whether the method solves for what later steps learn: these have no iterations whatever ``steps`` says,
            and the base step may have none (``steps.base.iters=0``), on a pretrained network.

    Raises:
        ConfigError: If no length is given, both are, or a value is not positive.
    """
    options = step_options(steps, index)
    group = f'steps.{index if str(index) in (steps or {}) else "base" if index == 0 else "later"}'
    if 'iters' in options and 'epochs' in options:
        raise ConfigError(f"{group}: give 'iters' or 'epochs', not both")
    if 'min_iters' in options and 'epochs' not in options:
        raise ConfigError(f"{group}.min_iters: is the least number of iterations of a step whose 'epochs' are given")
    for key in ('iters', 'epochs', 'min_iters', 'lr'):
        value = options.get(key)
        none = solved and key == 'iters' and is_number(value) and value == 0
        if value is not None and not none and not (is_number(value) and value > 0):
            raise ConfigError(f'{group}.{key} must be a positive number, found {value!r}')
    for key in ('iters', 'min_iters'):
        if (options.get(key) or 0) % 1:
            raise ConfigError(f'{group}.{key} must be a whole number, found {options[key]!r}')
    epochs = options.get('epochs')
    if 'iters' in options:
        iterations = int(options['iters'])
    elif epochs is not None:
        epoch = max(1, num_images // global_batch)
        iterations = int(epochs * epoch)
        if iterations < (least := int(options.get('min_iters') or 0)):
            iterations, epochs = least, round(least / epoch, 1)
    elif default_iterations:
        iterations = int(default_iterations)
    else:
        raise ConfigError(f"{group}: no length; give 'iters' or 'epochs', or train_cfg.max_iters")
    if iterations > MOST_ITERATIONS:
        key = 'iters' if 'iters' in options else 'epochs'
        raise ConfigError(
            f'{group}.{key}: {options.get(key)!r} makes {iterations:.3g} iterations; at most {MOST_ITERATIONS:,} are '
            f'allowed'
        )
    if solved:
        iterations = 0 if index else iterations
    else:
        iterations = max(1, iterations)
    return StepPlan(iterations, options.get('lr'), epochs, dict(options.get('cfg') or {}), global_batch)


def scale_schedulers(schedulers: Any, old: int, new: int) -> Any:
    """Stretches iteration-based schedules from ``old`` to ``new`` iterations.

    Args:
        schedulers: The config key ``param_scheduler``: a dict, a list, or None.
        old: ``train_cfg.max_iters`` of the config.
        new: Iterations of the step.
    """
    if schedulers is None:
        return None
    many = isinstance(schedulers, Sequence)
    result = []
    for scheduler in copy.deepcopy(list(schedulers) if many else [schedulers]):
        if not scheduler.get('by_epoch', True):
            for key in ('begin', 'end', 'T_max', 'total_steps'):
                if isinstance(scheduler.get(key), int):
                    scheduler[key] = round(scheduler[key] * new / old)
            if 'milestones' in scheduler:
                scheduler['milestones'] = [round(item * new / old) for item in scheduler['milestones']]
        result.append(scheduler)
    return result if many else result[0]


def make_resumable(hook: dict[str, Any], accumulative_counts: Any = 1) -> None:
    """Lets a step write checkpoints only between two updates of the weights, and keep two of them.

    A checkpoint does not hold gradients that are still being accumulated, so a step resumed in the middle of an
    accumulation would lose them; the interval is therefore rounded up to whole accumulations. And mmengine deletes the
    oldest checkpoint before it writes the next: with one alone, a run killed in between would start its step again.

    Args:
        hook: ``default_hooks.checkpoint``, changed in place.
        accumulative_counts: Iterations per update, as ``optim_wrapper`` has it.
    """
    if hook.get('max_keep_ckpts') == 1:
        hook['max_keep_ckpts'] = 2
    if not isinstance(accumulative_counts, int) or accumulative_counts <= 1:
        return
    for key in ('interval', 'save_begin'):
        if isinstance(hook.get(key), int) and hook[key] > 0:
            hook[key] = -(-hook[key] // accumulative_counts) * accumulative_counts
