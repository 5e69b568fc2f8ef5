"""Background gets the class of the teacher's confident mask there."""

from __future__ import annotations

from mmciss.errors import ConfigError
from mmciss.functional import mask_pseudo_labels
from mmciss.models.labelers.labeler import Batch, Labeler, Labels
from mmciss.models.outputs import SegOutput
from mmciss.models.step_context import StepContext
from mmciss.protocols.step import Step
from mmciss.registry import LABELERS


@LABELERS.register_module()
class MaskLabeler(Labeler):
    """Adds the masks of the teacher's confident queries, see :func:`~mmciss.functional.mask_pseudo_labels`.

    Args:
        threshold: Smallest accepted probability of a query's class.
    """

    needs = ('queries', 'teacher')

    def __init__(self, threshold: float = 0.5) -> None:
        super().__init__()
        self.threshold = threshold

    def check_step(self, step: Step) -> None:
        """Rejects new classes without a background, where there is nothing to complete."""
        if step.num_new and not step.background:
            raise ConfigError(
                f'method.labeler: MaskLabeler completes the background, which step {step.index} does not have; '
                f'allowed here: TeacherLabeler'
            )

    def forward(self, batch: Batch, teacher: SegOutput | None, context: StepContext) -> Labels:
        """Completes the labels."""
        if not context.step.num_new:
            return Labels(batch.target)
        assert teacher is not None and teacher.queries is not None
        queries = teacher.queries
        return Labels(mask_pseudo_labels(batch.target, queries.classes, queries.masks, self.threshold))
