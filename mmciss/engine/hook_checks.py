"""Hooks that would end a run when it starts, or in a later step; asked before anything is written."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from typing import Any

from mmengine.hooks import EMAHook, Hook
from mmengine.registry import HOOKS, MODELS
from mmengine.runner.priority import Priority, get_priority
from torch import nn

from mmciss.errors import ConfigError, close_matches
from mmciss.utils.blame import blaming


def check_priority(config: dict[str, Any], hook: Any, key: str) -> None:
    """Refuses a hook whose priority mmengine cannot read.

    Args:
        config: The hook's config.
        hook: The hook.
        key: Where the config stands.

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
    """Builds what averages the weights, as the hook does when the run begins.

    Args:
        hooks: The hooks with their keys.
        model: The model.
        iterations: How long every step is.

    Raises:
        ConfigError: If the average cannot be built, or begins after the end of a step.
    """
    shortest = min(iterations)
    for key, hook in hooks:
        if not isinstance(hook, EMAHook):
            continue
        if hook.begin_iter > shortest:
            raise ConfigError(
                f'{key}.begin_iter: {hook.begin_iter}, but a step of this run has only {shortest} iterations; '
                f'allowed: 0 to {shortest}'
            )
        with blaming(key, MODELS, hook.ema_cfg['type']):
            MODELS.build(copy.deepcopy(hook.ema_cfg), default_args=dict(model=model))
