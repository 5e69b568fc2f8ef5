"""PLOP's thresholds: how uncertain the teacher is about the background, class by class."""
from __future__ import annotations

import math

import torch
from mmengine.dist import all_reduce
from torch import Tensor

from mmciss.engine.statistics.data_pass import DataPass
from mmciss.functional.entropy_pseudo_labels import normalised_entropy
from mmciss.functional.entropy_thresholds import (RELEASED_BINS, entropy_histogram, histogram_medians,
                                                  released_thresholds)
from mmciss.models.outputs import SegOutput
from mmciss.models.teacher import Teacher
from mmciss.protocols.step import Step
from mmciss.registry import STATISTICS

FINE_BINS = 1 << 16


@STATISTICS.register_module()
class EntropyThresholds(DataPass):
    """Median entropy of the teacher per predicted class, over all background pixels of the step on all ranks.

    PLOP (arXiv 2011.11390), section 3.2. Entropies lie in ``[0, 1 / (C_old ln C)]``; they are counted in 65,536 bins,
    so a median is exact to that range over 65,536, about 3e-7 for VOC.

    Args:
        minimum: Lower bound of a threshold.
        compat: Whether to find the median as PLOP's release does, see
            :func:`mmciss.functional.entropy_thresholds.entropy_thresholds`.
    """

    def __init__(self, minimum: float = 0.001, compat: bool = False) -> None:
        self.minimum, self.compat = minimum, compat

    def begin(self, step: Step, teacher: Teacher) -> None:
        """Starts empty histograms."""
        super().begin(step, teacher)
        self.bins = RELEASED_BINS if self.compat else FINE_BINS
        self.maximum = 1.0 if self.compat else 1 / (step.num_old * math.log(max(2, step.num_seen)))
        self.histogram = torch.zeros(step.num_seen, self.bins, dtype=torch.int64)

    def update(self, inputs: Tensor, target: Tensor, teacher: SegOutput) -> None:
        """Counts the entropies of the batch's background pixels."""
        entropy, predicted = normalised_entropy(teacher.logits_at(target.shape[-2:]), self.step.num_seen)
        background = target == 0
        self.histogram = self.histogram.to(target.device)
        self.histogram += entropy_histogram(entropy[background], predicted[background], self.step.num_seen, self.bins,
                                            self.maximum)

    def finish(self) -> dict[str, Tensor]:
        """Returns ``entropy_thresholds (C,)``."""
        all_reduce(self.histogram)
        if self.compat:
            return {'entropy_thresholds': released_thresholds(self.histogram, self.minimum)}
        return {'entropy_thresholds': histogram_medians(self.histogram, self.minimum, self.maximum).float()}
