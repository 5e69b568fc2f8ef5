"""Pseudo labels where the teacher is sure."""

from __future__ import annotations

from torch import Tensor

from mmciss.errors import unknown_name
from mmciss.functional import entropy_pseudo_labels
from mmciss.models.labelers.labeler import Batch, Labeler, Labels
from mmciss.models.outputs import SegOutput
from mmciss.models.step_context import StepContext
from mmciss.registry import LABELERS

THRESHOLDS = {'binned': ('entropy_thresholds', 0.0), 'median': ('entropy_medians', 1.0)}
"""The statistic of each choice, and the weight of an image without background."""


@LABELERS.register_module()
class EntropyLabeler(Labeler):
    """Background becomes the teacher's class where that is sure, and is ignored elsewhere.

    PLOP (CVPR 2021, arXiv 2011.11390), section 3.2. Sure means an entropy below a threshold of the
    predicted class. Each image's loss is multiplied by the share of its background pixels that got
    a label. Needs the statistics of
    :class:`~mmciss.engine.statistics.entropy_thresholds.EntropyThresholds`. In a domain-incremental
    step nothing is hidden in the background, and the labels stay as they are.

    Args:
        adaptive: Whether images are weighted.
        minimum_factor: Lower bound of an image's weight.
        thresholds: ``'binned'``: those of the release, with which the published numbers were made.
            They accept nearly all that a trained teacher says, and an image without any background
            pixel has weight 0. ``'median'``: the medians that the paper describes, which reject half
            of each class's pixels; an image without background has weight 1.

    Raises:
        ConfigError: If ``thresholds`` is unknown.
    """

    prefix = ''

    def __init__(self, adaptive: bool = True, minimum_factor: float = 0.0, thresholds: str = 'binned') -> None:
        super().__init__()
        if thresholds not in THRESHOLDS:
            raise unknown_name('thresholds', thresholds, tuple(THRESHOLDS), 'method.labeler.thresholds')
        self.adaptive, self.minimum_factor, self.thresholds = adaptive, minimum_factor, thresholds
        self.needs = ('logits', 'teacher', f'statistics.{self.prefix}{THRESHOLDS[thresholds][0]}')

    def teacher_scores(self, target: Tensor, teacher: SegOutput, context: StepContext) -> Tensor:
        """Returns the scores ``(N, C_old, h, w)`` that labels are taken from, of any size."""
        return teacher.logits

    def forward(self, batch: Batch, teacher: SegOutput | None, context: StepContext) -> Labels:
        """Completes the labels."""
        step, target = context.step, batch.target
        if not step.num_new:
            return Labels(target)
        assert teacher is not None
        name, full_factor = THRESHOLDS[self.thresholds]
        thresholds = context.statistic(f'{self.prefix}{name}', self, like=target)
        scores = self.teacher_scores(target, teacher, context)
        labels, factor = entropy_pseudo_labels(
            target,
            scores,
            thresholds,
            step.num_old,
            step.num_seen,
            minimum_factor=self.minimum_factor,
            full_factor=full_factor,
            align_corners=teacher.align_corners,
        )
        return Labels(labels, factor.view(-1, 1, 1) if self.adaptive else None)
