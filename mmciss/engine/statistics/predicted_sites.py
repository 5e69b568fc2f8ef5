"""How often the teacher sees each old class in the background of a step's images, and how much of them is labelled."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from mmciss.engine.statistics.data_pass import DataPass, sum_over_ranks
from mmciss.errors import ConfigError
from mmciss.functional import labels_at, predicted_classes
from mmciss.models.outputs import SegOutput
from mmciss.models.step_context import StepContext
from mmciss.models.teacher import Teacher
from mmciss.registry import STATISTICS


@STATISTICS.register_module()
class PredictedSites(DataPass):
    """Counts the background sites of the step's images by the class that the teacher sees there.

    STAR (NeurIPS 2023). A site is a position of the embedding; label and prediction are those of the pixel at its
    centre.

    Args:
        threshold: The probability that an old class must exceed, as in
            :class:`~mmciss.models.shared.FeatureReplay`.

    Raises:
        ConfigError: If the threshold is no probability.
    """

    needs: tuple[str, ...] = ('logits', 'embedding')
    finds: tuple[str, ...] = ('predicted_sites',)

    def __init__(self, threshold: float = 0.5) -> None:
        if not 0 < threshold < 1:
            raise ConfigError(f'method.statistics.*.threshold must lie between 0 and 1, found {threshold}')
        self.threshold = threshold
        self.logit = math.log(threshold / (1 - threshold))

    def begin(self, context: StepContext, model: Teacher) -> None:
        """Starts with empty counts."""
        super().begin(context, model)
        self.counts = torch.zeros(self.step.num_old, dtype=torch.int64)
        self.images = torch.zeros((), dtype=torch.int64)
        self.labelled = torch.zeros((), dtype=torch.int64)

    def update(self, inputs: Tensor, target: Tensor, output: SegOutput) -> None:
        """Counts the batch's sites and images."""
        assert output.embedding is not None
        size = output.embedding.shape[-2:]
        predicted = predicted_classes(output.logits_at(target.shape[-2:]), self.logit)
        labels = labels_at(target, size, centre=True)
        found = labels_at(predicted, size, centre=True)[labels == 0]
        self.counts = self.counts.to(found.device) + found.bincount(minlength=self.step.num_old)
        self.images = self.images.to(found.device) + len(inputs)
        new = (labels >= self.step.num_old) & (labels < self.step.num_seen)
        self.labelled = self.labelled.to(found.device) + new.sum()

    def finish(self) -> dict[str, Any]:
        """Returns ``predicted_sites``.

        These are ``counts (C_old,)``, background first, the number of ``images``, that of sites ``labelled`` as a new
        class, and the threshold.
        """
        names = ('counts', 'images', 'labelled')
        found = {name: sum_over_ranks(getattr(self, name)) for name in names}
        return {'predicted_sites': {**found, 'threshold': torch.tensor(self.threshold, dtype=torch.float64)}}
