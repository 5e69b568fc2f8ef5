"""Pseudo labels where the teacher's probability is high."""

from __future__ import annotations

from mmciss.errors import unknown_name
from mmciss.functional import threshold_pseudo_labels
from mmciss.functional.pseudo_labels import PROBABILITIES
from mmciss.models.labelers.labeler import Batch, Labeler, Labels
from mmciss.models.outputs import SegOutput
from mmciss.models.step_context import StepContext
from mmciss.registry import LABELERS


@LABELERS.register_module()
class ThresholdLabeler(Labeler):
    """Background pixels get the teacher's class where its probability reaches a threshold.

    SSUL (arXiv 2106.11562), section 3.3.

    Args:
        threshold: Smallest accepted probability.
        probability: ``'sigmoid'``, as in SSUL, or ``'softmax'``, for models that learn by softmax.

    Raises:
        ConfigError: If ``probability`` is neither.
    """

    def __init__(self, threshold: float = 0.7, probability: str = 'sigmoid') -> None:
        super().__init__()
        if probability not in PROBABILITIES:
            raise unknown_name('probability', probability, tuple(PROBABILITIES), 'method.labeler.probability')
        self.threshold, self.probability = threshold, probability

    def forward(self, batch: Batch, teacher: SegOutput | None, context: StepContext) -> Labels:
        """Completes the labels."""
        target = batch.target
        if not context.step.num_new:
            return Labels(target)
        assert teacher is not None
        logits = teacher.logits_at(target.shape[-2:])
        return Labels(threshold_pseudo_labels(target, logits, self.threshold, probability=self.probability))
