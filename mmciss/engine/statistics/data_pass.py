"""Passes over the data: the base class, and how several run together."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import torch
from mmengine.dist import all_gather_object, all_reduce
from torch import Tensor

from mmciss.errors import ConfigError

if TYPE_CHECKING:
    from mmciss.models.outputs import SegOutput
    from mmciss.models.step_context import StepContext
    from mmciss.models.teacher import Teacher
    from mmciss.protocols.step import Step


MOMENTS = ('before', 'halfway', 'after')


class DataPass:
    """Base class: computes a statistic while a model runs once over the step's training images.

    Subclasses register in :data:`mmciss.registry.STATISTICS`. The calls are :meth:`begin`, then :meth:`update` for
    every batch of this rank (there may be none), then :meth:`finish`, which must combine the ranks.

    Attributes:
        when: ``'before'``: before training, with the teacher; not at the base step, which has none. ``'after'``: after
            training, with the model just trained, at the base step too; the results are saved with the step, and the
            next step has them in ``context.previous.statistics``. ``'halfway'``: when half of the iterations are done,
            with the model as it is then; slots read the results in
            :meth:`~mmciss.models.slot.SlotLife.halfway`.
        needs: What the pass reads, out of ``('logits', 'embedding', 'features', 'classifier')``, ``'shared.NAME'``, and
            ``'teacher'``, if that is not the model that runs: it is ``context.teacher``, None at the base step.
        layers: Names of modules, relative to the segmentor, whose output it reads from ``features``.
        requires: Names of statistics that other passes must find first; they are in ``context.statistics``.
        finds: Names of the statistics that :meth:`finish` returns.
    """

    when: str = 'before'
    needs: tuple[str, ...] = ('logits',)
    layers: tuple[str, ...] = ()
    requires: tuple[str, ...] = ()
    finds: tuple[str, ...] = ()

    def applies(self, step: Step) -> bool:
        """Whether a step needs the statistic; by default passes before training need new classes."""
        return self.when == 'after' or bool(step.num_new)

    def begin(self, context: StepContext, model: Teacher) -> None:
        """Prepares for the pass.

        Args:
            context: The step's context, with the statistics of earlier passes.
            model: The model that runs: the teacher, or the trained model.
        """
        self.context, self.step, self.model = context, context.step, model

    def update(self, inputs: Tensor, target: Tensor, output: SegOutput) -> None:
        """Processes one batch.

        Args:
            inputs: Preprocessed images ``(N, 3, H, W)``.
            target: Labels of the step ``(N, H, W)``.
            output: The model's output for them.
        """
        raise NotImplementedError(f'{type(self).__name__} has no update()')

    def finish(self) -> dict[str, Any]:
        """Combines the ranks and returns tensors by name, which are saved with the step."""
        raise NotImplementedError(f'{type(self).__name__} has no finish()')


def sum_over_ranks(total: Tensor | None) -> Tensor | None:
    """Returns the sum of all ranks' tensors; None stands for zeros.

    A step may have fewer images than there are ranks; a rank without an image does not know the shape.

    Args:
        total: This rank's sum; those of other ranks have the same shape or are None.

    Returns:
        The sum, or None if all are None.
    """
    known = [
        item
        for item in all_gather_object(None if total is None else (tuple(total.shape), total.dtype))
        if item is not None
    ]
    if not known:
        return None
    shape, dtype = known[0]
    total = torch.zeros(shape, dtype=dtype) if total is None else total.clone()
    all_reduce(total)
    return total


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
