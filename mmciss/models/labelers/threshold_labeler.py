"""Pseudo labels where the teacher's sigmoid is high."""

from __future__ import annotations

from mmciss.functional import threshold_pseudo_labels
from mmciss.models.labelers.labeler import Batch, Labeler, Labels
from mmciss.models.outputs import SegOutput
from mmciss.models.step_context import StepContext
from mmciss.registry import LABELERS


@LABELERS.register_module()
class ThresholdLabeler(Labeler):
    """Background pixels get the teacher's class where its sigmoid reaches a threshold.

    SSUL (arXiv 2106.11562), section 3.3.

    Args:
        threshold: Smallest accepted probability.
    """

    def __init__(self, threshold: float = 0.7) -> None:
        super().__init__()
        self.threshold = threshold

    def forward(self, batch: Batch, teacher: SegOutput | None, context: StepContext) -> Labels:
        """Completes the labels."""
        target = batch.target
        if not context.step.num_new:
            return Labels(target)
        assert teacher is not None
        return Labels(threshold_pseudo_labels(target, teacher.logits_at(target.shape[-2:]), self.threshold))
