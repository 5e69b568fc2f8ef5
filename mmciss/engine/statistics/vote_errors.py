"""How often neighbouring sites have different labels, which says whether they may vote."""

from __future__ import annotations

import torch
from torch import Tensor

from mmciss.engine.statistics.data_pass import DataPass, sum_over_ranks
from mmciss.functional import labels_at, vote_errors
from mmciss.functional.window_vote import WINDOWS
from mmciss.models.outputs import SegOutput, linear_classifier
from mmciss.models.step_context import StepContext
from mmciss.models.structures.expanded_rows import ExpandedRows
from mmciss.models.teacher import Teacher
from mmciss.registry import STATISTICS


@STATISTICS.register_module()
class VoteErrors(DataPass):
    """Counts where the vote of the true labels would be wrong, on images that label old classes.

    Only these show what lies beside what: on an image of a step that learns one class, nothing else is labelled.
    :class:`~mmciss.models.structures.RandomExpansion` with ``vote_window='labels'`` chooses its window by it.
    """

    when = 'after'
    needs = ('embedding', 'classifier')
    finds = ('vote_errors',)

    def begin(self, context: StepContext, model: Teacher) -> None:
        """Starts from zero."""
        super().begin(context, model)
        layer = linear_classifier(model.segmentor)[1]
        self.upsample = layer.upsample if isinstance(layer, ExpandedRows) else 1
        self.errors: Tensor | None = None

    def update(self, inputs: Tensor, target: Tensor, output: SegOutput) -> None:
        """Adds the batch's images with labels of old classes."""
        assert output.embedding is not None, 'it is among the needs'
        first, old = int(self.step.background), self.step.num_old
        chosen = ((target >= first) & (target < old)).flatten(1).any(1)
        if chosen.any():
            height, width = output.embedding.shape[-2:]
            labels = labels_at(target[chosen], (self.upsample * height, self.upsample * width), centre=True)
            found = vote_errors(labels, self.step.num_seen)
            self.errors = found if self.errors is None else self.errors + found

    def finish(self) -> dict[str, Tensor]:
        """Returns ``vote_errors``, wrong and all foreground sites for every window, see :func:`vote_errors`."""
        errors = sum_over_ranks(self.errors)
        return {'vote_errors': torch.zeros(len(WINDOWS), 2, dtype=torch.float64) if errors is None else errors.cpu()}
