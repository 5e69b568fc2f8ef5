"""Pseudo labels where the teacher's sigmoid is high."""

from __future__ import annotations

from torch import Tensor

from mmciss.functional.threshold_pseudo_labels import threshold_pseudo_labels
from mmciss.models.labelers.labeling import LabelBatch, Labels
from mmciss.models.outputs import SegOutput
from mmciss.protocols.step import Step
from mmciss.registry import LABELERS


@LABELERS.register_module()
class ThresholdLabeler:
    """Background pixels become the teacher's class where its sigmoid reaches a threshold.

    SSUL (arXiv 2106.11562), section 3.3.

    Args:
        threshold: Smallest accepted probability.
    """

    needs = ('logits',)
    uses_teacher = True

    def __init__(self, threshold: float = 0.7) -> None:
        self.threshold = threshold

    def __call__(self, target: Tensor, teacher: SegOutput | None, step: Step, batch: LabelBatch) -> Labels:
        """Completes the labels."""
        if not step.num_new:
            return Labels(target)
        return Labels(threshold_pseudo_labels(target, teacher.logits_at(target.shape[-2:]), self.threshold))
