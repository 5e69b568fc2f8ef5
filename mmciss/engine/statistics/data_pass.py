"""What all passes over the data share: their base class, and adding up what the ranks found."""

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
    """Base class: collects a statistic while a model runs once over the step's training images.

    Subclasses register in :data:`mmciss.registry.STATISTICS`. One object serves one pass: :meth:`begin`, then
    :meth:`update` for every batch of this rank (there may be none), then :meth:`finish`, which must combine the ranks.

    Attributes:
        when: ``'before'``: before training, with the model of the step before; the base step has none. ``'after'``:
            after training, with the model that the step has just learned, at the base step too; what is found is saved
            with the step, and the next step has it in ``context.previous.statistics``.
        needs: What :meth:`update` reads, out of ``('logits', 'embedding', 'features', 'classifier')``.
        layers: Names of modules, relative to the segmentor, whose output it wants in ``features``.
        requires: Names of statistics that must be known before this pass begins; they are in ``context.statistics``.
        finds: Names of the statistics that :meth:`finish` returns.
    """

    when: str = 'before'
    needs: tuple[str, ...] = ('logits',)
    layers: tuple[str, ...] = ()
    requires: tuple[str, ...] = ()
    finds: tuple[str, ...] = ()

    def applies(self, step: Step) -> bool:
        """Whether a step needs the statistic; without new classes the background hides none."""
        return self.when == 'after' or bool(step.num_new)

    def begin(self, context: StepContext, model: Teacher) -> None:
        """Prepares for the pass.

        Args:
            context: The step's context; statistics of earlier passes are in it.
            model: The model that runs: the teacher, or the trained model.
        """
        self.context, self.step, self.model = context, context.step, model

    def update(self, inputs: Tensor, target: Tensor, output: SegOutput) -> None:
        """Takes in one batch.

        Args:
            inputs: Preprocessed images ``(N, 3, H, W)``.
            target: Labels of the step ``(N, H, W)``.
            output: What the model says about them.
        """
        raise NotImplementedError(f'{type(self).__name__} has no update()')

    def finish(self) -> dict[str, Any]:
        """Combines the ranks and returns tensors by name; they are saved with the step."""
        raise NotImplementedError(f'{type(self).__name__} has no finish()')


def sum_over_ranks(total: Tensor | None) -> Tensor | None:
    """Returns the sum of all ranks' tensors; None stands for zeros, on a rank that saw no image.

    A step may have fewer images than there are ranks, and such a rank does not know the shape.

    Args:
        total: This rank's sum; the others' have the same shape, or are None.

    Returns:
        The sum, or None if it is None everywhere.
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
