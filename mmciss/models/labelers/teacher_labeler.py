"""Labels are completed by what the teacher sees: everywhere, where it is confident, or in its masks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from mmciss.errors import ConfigError, unknown_name
from mmciss.functional import channel_argmax, mask_pseudo_labels, threshold_pseudo_labels
from mmciss.functional.pseudo_labels import PROBABILITIES
from mmciss.models.labelers.labeler import Batch, Labeler, Labels
from mmciss.models.outputs import SegOutput
from mmciss.models.step_context import StepContext
from mmciss.protocols.labels import UNKNOWN
from mmciss.protocols.step import Step
from mmciss.registry import LABELERS

SOURCES = ('background', 'saliency')


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


@LABELERS.register_module()
class UnknownLabeler(Labeler):
    """Adds pseudo labels, then splits the background into known background and unknown objects.

    SSUL (Cha et al., NeurIPS 2021, arXiv 2106.11562, sections 3.2 and 3.3). First, background pixels get the teacher's
    class where the largest sigmoid, the unknown class included, is that of a class and reaches a threshold. Then the
    remaining background becomes :data:`UNKNOWN` where a saliency map shows an object, or everywhere if there are no
    maps, as in the paper on ADE20K. The losses must know that label: ``negative_index`` of
    :class:`~mmciss.models.losses.SigmoidCrossEntropyLoss` and ``positive_index`` of
    :class:`~mmciss.models.losses.AuxiliaryClassifierLoss`.

    Args:
        unknown: ``'saliency'`` reads ``gt_saliency`` of each sample, see
            :class:`mmciss.datasets.LoadSaliency`; ``'background'`` takes the whole background.
        threshold: Smallest accepted probability; None for no pseudo labels, for the base step.

    Raises:
        ConfigError: If an argument is not allowed.
    """

    remedies: ClassVar[Mapping[str, str]] = {
        'sample.gt_saliency': (
            "method.labeler.unknown='saliency' needs saliency maps: put dict(type='LoadSaliency', folder=...) after "
            'LoadAnnotations and replace PackSegInputs with PackSaliencyInputs in train_pipeline, or set '
            "method.labeler.unknown='background' in both method and method.base"
        )
    }

    def __init__(self, unknown: str = 'background', threshold: float | None = 0.7) -> None:
        super().__init__()
        if unknown not in SOURCES:
            raise unknown_name('source', unknown, SOURCES, 'method.labeler.unknown')
        if threshold is not None and not 0 <= threshold <= 1:
            raise ConfigError(f'method.labeler.threshold: must lie in 0..1, found {threshold}')
        self.unknown = unknown
        self.threshold = threshold
        self.needs = ('logits', 'embedding')
        if threshold is not None:
            self.needs += ('teacher',)
        if unknown == 'saliency':
            self.needs += ('sample.gt_saliency',)

    def check_step(self, step: Step) -> None:
        """Rejects a step with so many channels that no label is left for the unknown class."""
        if step.num_seen > UNKNOWN:
            raise ConfigError(
                f'method.labeler: UnknownLabeler needs label {UNKNOWN}, but step '
                f'{step.index} has {step.num_seen} channels'
            )

    def forward(self, batch: Batch, teacher: SegOutput | None, context: StepContext) -> Labels:
        """Completes the labels."""
        labels = target = batch.target
        if self.threshold is not None and teacher is not None and context.step.num_new:
            labels = self._pseudo_labels(target, teacher, self.threshold)
        unknown = labels == 0
        if self.unknown == 'saliency':
            unknown &= self._saliency(batch.samples, target)
        return Labels(labels.masked_fill(unknown, UNKNOWN))

    def _pseudo_labels(self, target: Tensor, teacher: SegOutput, threshold: float) -> Tensor:
        logits = teacher.logits_at(target.shape[-2:])
        labels = threshold_pseudo_labels(target, logits, threshold)
        unknown = teacher.auxiliary_at(target.shape[-2:])
        if unknown is None:
            return labels
        # A pixel that looks more like unknown to the teacher keeps its label.
        return torch.where(unknown.amax(1) > logits.amax(1), target, labels)

    @staticmethod
    def _saliency(samples: list[Any], target: Tensor) -> Tensor:
        maps = []
        for sample in samples:
            salient = sample.gt_saliency.data.reshape(sample.gt_saliency.data.shape[-2:]) > 0
            # The batch may be padded; the labels of the padding are ignored.
            height, width = (a - b for a, b in zip(target.shape[-2:], salient.shape, strict=True))
            maps.append(F.pad(salient, (0, width, 0, height)))
        return torch.stack(maps).to(target.device)
