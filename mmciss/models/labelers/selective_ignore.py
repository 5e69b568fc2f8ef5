"""Background that the old model does not believe in is ignored."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mmciss.functional import ignore_unsure_background
from mmciss.models.labelers.labeler import Batch, Labeler, Labels
from mmciss.registry import LABELERS

if TYPE_CHECKING:
    from mmciss.models.outputs import SegOutput
    from mmciss.models.step_context import StepContext
    from mmciss.protocols.step import Step


@LABELERS.register_module()
class SelectiveIgnore(Labeler):
    """Ignores what another labeler leaves as background where the teacher's background is less likely than the rest.

    MBS (ECCV 2024): such pixels probably show an old class that the other labeler did not dare to name, so they should
    not be learned as background. For models that learn by softmax.

    Args:
        labeler: Config of the labeler that goes first; None for the labels as given.
    """

    def __init__(self, labeler: dict[str, Any] | None = None) -> None:
        super().__init__()
        self.labeler: Labeler | None = None if labeler is None else LABELERS.build(labeler)
        if self.labeler is not None:
            self.needs = tuple(dict.fromkeys((*self.needs, *self.labeler.needs)))
            self.layers = self.labeler.layers

    def check_step(self, step: Step) -> None:
        """Asks the other labeler."""
        if self.labeler is not None:
            self.labeler.check_step(step)

    def prepare(self, context: StepContext) -> None:
        """Prepares the other labeler, whose state is found under this slot's key."""
        if self.labeler is not None:
            self.labeler.key = f'{self.key}.labeler'
            self.labeler.prepare(context)

    def begin(self, context: StepContext) -> None:
        """Lets the other labeler begin."""
        if self.labeler is not None:
            self.labeler.begin(context)

    def halfway(self, context: StepContext) -> None:
        """Tells the other labeler."""
        if self.labeler is not None:
            self.labeler.halfway(context)

    def end(self, context: StepContext) -> None:
        """Lets the other labeler end."""
        if self.labeler is not None:
            self.labeler.end(context)

    def forward(self, batch: Batch, teacher: SegOutput | None, context: StepContext) -> Labels:
        """Completes the labels, then ignores unsure background."""
        labels = Labels(batch.target) if self.labeler is None else self.labeler(batch, teacher, context)
        if not context.step.num_new:
            return labels
        assert teacher is not None
        target = ignore_unsure_background(labels.target, teacher.logits_at(batch.target.shape[-2:]))
        return Labels(target, labels.weights)
