"""The base class of passes over the data, and a sum over ranks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from mmengine.dist import all_gather_object, all_reduce
from torch import Tensor

if TYPE_CHECKING:
    from mmciss.models.outputs import SegOutput
    from mmciss.models.step_context import StepContext
    from mmciss.models.teacher import Teacher
    from mmciss.protocols.step import Step

MOMENTS = ('before', 'after')


class DataPass:
    """Base class: computes a statistic while a model runs once over the step's training images.

    Subclasses register in :data:`mmciss.registry.STATISTICS`. The calls are :meth:`begin`, then :meth:`update` for
    every batch of this rank (there may be none), then :meth:`finish`, which must combine the ranks.

    Attributes:
        when: ``'before'``: before training, with the teacher; not at the base step, which has none. ``'after'``: after
            training, with the model just trained, at the base step too; the results are saved with the step, and the
            next step has them in ``context.previous.statistics``.
        needs: What :meth:`update` reads, out of ``('logits', 'embedding', 'features', 'classifier')``.
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
