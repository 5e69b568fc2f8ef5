"""PLOP's thresholds: the teacher's uncertainty on background pixels, by class."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from mmciss.engine.statistics.data_pass import DataPass, sum_over_ranks
from mmciss.functional import normalised_entropy, rectified_log_probabilities
from mmciss.functional.pseudo_labels import BINS, binned_thresholds, entropy_histogram, histogram_medians
from mmciss.models.outputs import SegOutput
from mmciss.models.step_context import StepContext
from mmciss.models.teacher import Teacher
from mmciss.registry import STATISTICS

FINE_BINS = 1 << 16


@STATISTICS.register_module()
class EntropyThresholds(DataPass):
    """How confident the teacher must be, per predicted class, from all background pixels of the step.

    PLOP (CVPR 2021, arXiv 2011.11390), section 3.2. It finds two sets of thresholds, of which
    :class:`~mmciss.models.labelers.entropy_labeler.EntropyLabeler` uses one:

    - ``entropy_thresholds``: those of the release, see :func:`mmciss.functional.binned_thresholds`;
    - ``entropy_medians``: the medians of the paper. Entropies lie in ``[0, 1 / (C_old ln C)]``; they
      are counted in 65,536 bins of that range, so that a median is exact to 3e-7 for VOC.

    Counts are summed over batches and ranks, so the thresholds are those of all pixels on all ranks. The release
    computes one set per rank.

    Args:
        minimum: Lower bound of a threshold, and the threshold of classes never predicted.
    """

    finds: tuple[str, ...] = ('entropy_thresholds', 'entropy_medians')
    prefix = ''

    def __init__(self, minimum: float = 0.001) -> None:
        self.minimum = minimum

    def begin(self, context: StepContext, model: Teacher) -> None:
        """Starts empty histograms."""
        super().begin(context, model)
        self.maximum = 1 / (self.step.num_old * math.log(max(2, self.step.num_seen)))
        self.coarse = torch.zeros(self.step.num_old, BINS, dtype=torch.int64)
        self.fine = torch.zeros(self.step.num_old, FINE_BINS, dtype=torch.int64)

    def scores(self, target: Tensor, output: SegOutput) -> Tensor:
        """Returns the scores ``(N, C_old, H, W)`` whose entropy is measured."""
        return output.logits_at(target.shape[-2:])

    def update(self, inputs: Tensor, target: Tensor, output: SegOutput) -> None:
        """Counts the entropies of the batch's background pixels."""
        entropy, predicted = normalised_entropy(self.scores(target, output), self.step.num_seen)
        background = target == 0
        pixels = entropy[background], predicted[background]
        self.coarse = self.coarse.to(target.device) + entropy_histogram(*pixels, self.step.num_old, BINS)
        self.fine = self.fine.to(target.device)
        self.fine += entropy_histogram(*pixels, self.step.num_old, FINE_BINS, self.maximum)

    def finish(self) -> dict[str, Tensor]:
        """Returns both sets of thresholds, each ``(C_old,)``."""
        coarse, fine = sum_over_ranks(self.coarse), sum_over_ranks(self.fine)
        assert coarse is not None and fine is not None
        return {
            f'{self.prefix}entropy_thresholds': binned_thresholds(coarse, self.minimum),
            f'{self.prefix}entropy_medians': histogram_medians(fine, self.minimum, self.maximum).float(),
        }


@STATISTICS.register_module()
class RectifiedEntropyThresholds(EntropyThresholds):
    """PLOP's thresholds for the corrected probabilities with which GSC labels, in a pass of their own.

    GSC (arXiv 2307.10822), reconstructed. A threshold must come from the quantity that it is compared with: prototypes
    sharpen the probabilities, so almost every pixel would pass thresholds of the uncorrected ones. Requires the
    statistic ``prototypes``; finds ``rectified_entropy_thresholds`` and ``rectified_entropy_medians``.

    Args:
        layer: The same as in the labeler and in the pass that finds the prototypes.
        temperature: The same as in the labeler.
        **options: Arguments of :class:`EntropyThresholds`.
    """

    needs: tuple[str, ...] = ('logits', 'features')
    requires = ('prototypes',)
    finds: tuple[str, ...] = ('rectified_entropy_thresholds', 'rectified_entropy_medians', 'rectified_temperature')
    prefix = 'rectified_'

    def __init__(self, layer: str, temperature: float = 1.0, **options: Any) -> None:
        super().__init__(**options)
        self.layers = (layer,)
        self.temperature = temperature

    def scores(self, target: Tensor, output: SegOutput) -> Tensor:
        """Returns the corrected log-probabilities."""
        return rectified_log_probabilities(
            output.logits_at(target.shape[-2:]),
            output.maps(self.layers)[-1],
            self.context.statistics['prototypes'].to(target.device),
            self.temperature,
        )

    def finish(self) -> dict[str, Tensor]:
        """Returns both sets of thresholds, each ``(C_old,)``, and the temperature they belong to."""
        return {**super().finish(), 'rectified_temperature': torch.tensor(float(self.temperature))}
