"""PLOP's thresholds: how uncertain the teacher is about the background, class by class."""
from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from mmciss.engine.statistics.data_pass import DataPass
from mmciss.engine.statistics.reduction import sum_over_ranks
from mmciss.functional.entropy_pseudo_labels import normalised_entropy
from mmciss.functional.entropy_thresholds import (RELEASED_BINS, entropy_histogram,
                                                  histogram_medians, released_thresholds)
from mmciss.models.outputs import SegOutput
from mmciss.models.teacher import Teacher
from mmciss.protocols.step import Step
from mmciss.registry import STATISTICS

FINE_BINS = 1 << 16


@STATISTICS.register_module()
class EntropyThresholds(DataPass):
    """Median entropy of the teacher per predicted class, over all background pixels of the step.

    PLOP (CVPR 2021, arXiv 2011.11390), section 3.2. Entropies lie in ``[0, 1 / (C_old ln C)]``;
    they are counted in 65,536 bins, which add up over batches and ranks, so that every median is
    that of all pixels on all ranks, exact to the range over 65,536 (3e-7 for VOC). The release
    computes one set of thresholds on each rank.

    Args:
        minimum: Lower bound of a threshold, and the threshold of classes never predicted.
        compat: Whether to find the median as PLOP's release does, mistakes included, see
            :func:`mmciss.functional.entropy_thresholds`.
    """

    statistic = 'entropy_thresholds'

    def __init__(self, minimum: float = 0.001, compat: bool = False) -> None:
        self.minimum, self.compat = minimum, compat

    def begin(self, step: Step, teacher: Teacher, found: dict[str, Any] | None = None) -> None:
        """Starts empty histograms."""
        super().begin(step, teacher, found)
        self.bins = RELEASED_BINS if self.compat else FINE_BINS
        self.maximum = 1.0 if self.compat else 1 / (step.num_old * math.log(max(2, step.num_seen)))
        self.histogram = torch.zeros(step.num_old, self.bins, dtype=torch.int64)

    def scores(self, target: Tensor, teacher: SegOutput) -> Tensor:
        """Returns the scores ``(N, C_old, H, W)`` whose entropy is measured."""
        return teacher.logits_at(target.shape[-2:])

    def update(self, inputs: Tensor, target: Tensor, teacher: SegOutput) -> None:
        """Counts the entropies of the batch's background pixels."""
        entropy, predicted = normalised_entropy(self.scores(target, teacher), self.step.num_seen)
        background = target == 0
        self.histogram = self.histogram.to(target.device)
        self.histogram += entropy_histogram(entropy[background], predicted[background],
                                            self.step.num_old, self.bins, self.maximum)

    def finish(self) -> dict[str, Tensor]:
        """Returns the thresholds ``(C_old,)``."""
        histogram = sum_over_ranks(self.histogram)
        if self.compat:
            return {self.statistic: released_thresholds(histogram, self.minimum)}
        return {self.statistic: histogram_medians(histogram, self.minimum, self.maximum).float()}
