"""Runs passes over the data, several at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor

from mmciss.engine.statistics.data_pass import DataPass
from mmciss.errors import ConfigError
from mmciss.models.step_context import StepContext
from mmciss.models.teacher import Teacher

Batches = Callable[[], Iterable[tuple[Tensor, Tensor]]]


@torch.no_grad()
def run_passes(passes: dict[str, DataPass], context: StepContext, model: Teacher, batches: Batches) -> dict[str, Any]:
    """Runs passes over the data; those that do not depend on each other share the model's forward passes.

    A pass that requires what another one finds runs after it, over the data once more.

    Args:
        passes: The passes by their name in ``method.statistics``.
        context: The step's context; results are added to its ``statistics``.
        model: The teacher, or the trained model.
        batches: Called once per round over the data; yields images ``(N, 3, H, W)`` and labels ``(N, H, W)``.

    Returns:
        All results, tensors on the CPU.

    Raises:
        ConfigError: If a pass requires what no pass finds, or two find the same statistic.
    """
    found: dict[str, Any] = {}
    waiting = dict(passes)
    while waiting:
        ready = {name: item for name, item in waiting.items() if context.statistics.keys() >= set(item.requires)}
        if not ready:
            name, item = next(iter(waiting.items()))
            raise ConfigError(
                f'method.statistics.{name}: {type(item).__name__} requires '
                f'{", ".join(item.requires)}, which no other pass of method.statistics finds '
                f'({", ".join(sorted(context.statistics)) or "nothing was found before it"})'
            )
        _run_together(ready, context, model, batches, found)
        waiting = {name: item for name, item in waiting.items() if name not in ready}
    return found


def _run_together(
    passes: dict[str, DataPass], context: StepContext, model: Teacher, batches: Batches, found: dict[str, Any]
) -> None:
    for item in passes.values():
        item.begin(context, model)
    layers = sorted({layer for item in passes.values() for layer in item.layers})
    for inputs, target in batches():
        output = model(inputs, layers)
        for item in passes.values():
            item.update(inputs, target, output)
    for name, item in passes.items():
        for key, value in item.finish().items():
            if key in context.statistics:
                raise ConfigError(
                    f'method.statistics.{name}: {key!r} was found by another pass already; remove '
                    f'one of {", ".join(passes)}'
                )
            found[key] = context.statistics[key] = _on_cpu(value)


def _on_cpu(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _on_cpu(item) for key, item in value.items()}
    return value.cpu() if isinstance(value, Tensor) else value
