"""Labels are completed by what the teacher sees: everywhere, where it is confident, or in its masks."""

from __future__ import annotations

import torch

from mmciss.errors import ConfigError, unknown_name
from mmciss.functional import channel_argmax, mask_pseudo_labels, threshold_pseudo_labels
from mmciss.functional.pseudo_labels import PROBABILITIES
from mmciss.models.labelers.labeler import Batch, Labeler, Labels
from mmciss.models.outputs import SegOutput
from mmciss.models.step_context import StepContext
from mmciss.protocols.labels import UNKNOWN
from mmciss.protocols.step import Step
from mmciss.registry import LABELERS


@LABELERS.register_module()
class TeacherLabeler(Labeler):
    """Gives pixels labelled :data:`UNKNOWN` the class that the teacher predicts.

    For models without a background class. If the data labels only new classes, all other pixels show an old class, and
    the old model knows best which one. With :class:`~mmciss.models.losses.UnbiasedCrossEntropyLoss` the model learns
    only "some old class" from them; a distillation decides which one.
    """

    labels_unlabelled = True

    def check_step(self, step: Step) -> None:
        """Rejects a step with so many classes that :data:`UNKNOWN` is one of them."""
        if step.num_seen > UNKNOWN:
            raise ConfigError(
                f'method.labeler: TeacherLabeler needs label {UNKNOWN}, but step {step.index} has '
                f'{step.num_seen} classes'
            )

    def forward(self, batch: Batch, teacher: SegOutput | None, context: StepContext) -> Labels:
        """Completes the labels."""
        target = batch.target
        if teacher is None:
            return Labels(target)
        seen = channel_argmax(teacher.logits_at(target.shape[-2:]))
        return Labels(torch.where(target == UNKNOWN, seen, target))


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
