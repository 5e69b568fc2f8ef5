"""Pseudo labels where the teacher is sure."""
from __future__ import annotations

from torch import Tensor

from mmciss.functional.entropy_pseudo_labels import entropy_pseudo_labels
from mmciss.models.labelers.labeling import LabelBatch, Labels
from mmciss.models.labelers.statistic import statistic
from mmciss.models.outputs import SegOutput
from mmciss.protocols.step import Step
from mmciss.registry import LABELERS


@LABELERS.register_module()
class EntropyLabeler:
    """Background becomes the teacher's class where that is sure, and is ignored elsewhere.

    PLOP (CVPR 2021, arXiv 2011.11390), section 3.2. Sure means an entropy below the median of the
    predicted class. Each image's loss is multiplied by the share of its background pixels that got
    a label. Needs the statistic ``entropy_thresholds``. In a domain-incremental step nothing is
    hidden in the background, and the labels stay as they are.

    Args:
        adaptive: Whether images are weighted.
        minimum_factor: Lower bound of an image's weight.
        compat: Whether an image without background pixels gets weight 0, as in the release.
    """

    needs: tuple[str, ...] = ('logits', )
    layers: tuple[str, ...] = ()
    uses_teacher = True
    thresholds = 'entropy_thresholds'

    def __init__(self,
                 adaptive: bool = True,
                 minimum_factor: float = 0.0,
                 compat: bool = False) -> None:
        self.adaptive, self.minimum_factor, self.compat = adaptive, minimum_factor, compat

    def teacher_scores(self, target: Tensor, teacher: SegOutput, batch: LabelBatch) -> Tensor:
        """Returns the scores ``(N, C_old, h, w)`` that labels are taken from, of any size."""
        return teacher.logits

    def __call__(self, target: Tensor, teacher: SegOutput | None, step: Step,
                 batch: LabelBatch) -> Labels:
        """Completes the labels."""
        if not step.num_new:
            return Labels(target)
        thresholds = statistic(batch, self.thresholds, self)
        scores = self.teacher_scores(target, teacher, batch)
        labels, factor = entropy_pseudo_labels(target,
                                               scores,
                                               thresholds,
                                               step.num_old,
                                               step.num_seen,
                                               minimum_factor=self.minimum_factor,
                                               compat=self.compat,
                                               align_corners=teacher.align_corners)
        return Labels(labels, factor.view(-1, 1, 1) if self.adaptive else None)
