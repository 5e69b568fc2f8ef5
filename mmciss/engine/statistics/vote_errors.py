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
    """Counts where the vote of the true labels would be wrong, at the base step or on images that label old classes.

    Only these show what lies beside what: on an image of a step that learns one class, nothing else is labelled. Nor do
    they show it where they label one class, all in all. A step without such images hands on what those before found.
    :class:`~mmciss.models.structures.RandomExpansion` with ``vote_window='labels'`` chooses its window by it.
    """

    when = 'after'
    needs = ('embedding', 'classifier')
    finds = ('vote_errors', 'voting_classes')

    def begin(self, context: StepContext, model: Teacher) -> None:
        """Starts from zero."""
        super().begin(context, model)
        layer = linear_classifier(model.segmentor)[1]
        self.upsample = layer.upsample if isinstance(layer, ExpandedRows) else 1
        self.errors: Tensor | None = None
        self.seen = torch.zeros(self.step.num_seen, dtype=torch.float64)

    def update(self, inputs: Tensor, target: Tensor, output: SegOutput) -> None:
        """Adds the batch's images, at a later step those with labels of old classes."""
        if not self.step.background:
            return  # no site votes
        assert output.embedding is not None, 'it is among the needs'
        known = self.step.num_seen if self.step.is_base else self.step.num_old
        chosen = ((target > 0) & (target < known)).flatten(1).any(1)
        if chosen.any():
            height, width = output.embedding.shape[-2:]
            labels = labels_at(target[chosen], (self.upsample * height, self.upsample * width), centre=True)
            found = vote_errors(labels, self.step.num_seen)
            self.errors = found if self.errors is None else self.errors + found
            inside = labels[(labels > 0) & (labels < self.step.num_seen)]
            self.seen += inside.bincount(minlength=self.step.num_seen).to(self.seen)

    def finish(self) -> dict[str, Tensor]:
        """Returns what is known of this step's images or, if they show less than two classes, of those before.

        ``vote_errors`` are wrong and all foreground sites for every window, see :func:`vote_errors`, and
        ``voting_classes`` the number of classes among these; all are 0 if nothing is known.
        """
        errors, seen = sum_over_ranks(self.errors), sum_over_ranks(self.seen)
        assert seen is not None
        if errors is not None and seen.count_nonzero() > 1:
            return {'vote_errors': errors.cpu(), 'voting_classes': seen.count_nonzero().cpu()}
        nothing = {'vote_errors': torch.zeros(len(WINDOWS), 2).double(), 'voting_classes': torch.tensor(0)}
        left = {} if self.context.previous is None else self.context.previous.statistics
        return {name: left[name] for name in self.finds} if left.keys() >= set(self.finds) else nothing
