"""What the teacher sees in the background of a step: how often each old class, and in which direction its sites lie."""

from __future__ import annotations

import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from mmciss.engine.statistics.data_pass import DataPass, sum_over_ranks
from mmciss.errors import ConfigError
from mmciss.functional import EmbeddingSums, embedding_sums, labels_at, predicted_classes, row_prototypes
from mmciss.models.outputs import SegOutput, linear_classifier
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


@STATISTICS.register_module()
class RowPrototypes(PredictedSites):
    """Counts like ``PredictedSites``, and finds a direction for each old class, STAR (TPAMI 2025), lite.

    It is the sum of two unit vectors, normalised: the embedding that the old classifier is surest of
    (:func:`mmciss.functional.row_prototypes`), and the mean direction of the sites, whatever their label, where it
    sees the class.
    """

    needs = (*PredictedSites.needs, 'rows')
    finds = (*PredictedSites.finds, 'row_prototypes')

    def begin(self, context: StepContext, model: Teacher) -> None:
        """Starts with empty counts and sums."""
        super().begin(context, model)
        self.sums: EmbeddingSums | None = None

    def update(self, inputs: Tensor, target: Tensor, output: SegOutput) -> None:
        """Counts the batch's sites and adds up their directions."""
        super().update(inputs, target, output)
        assert output.embedding is not None
        predicted = predicted_classes(output.logits_at(target.shape[-2:]), self.logit)
        sums = embedding_sums(output.embedding, predicted, self.step.num_old)
        self.sums = sums if self.sums is None else self.sums.plus(sums)

    def finish(self) -> dict[str, Any]:
        """Returns ``predicted_sites``, and ``row_prototypes (C_old, D)``, 0 for the background."""
        classifier = linear_classifier(self.model.segmentor)[1]
        rows = classifier.weight[1 : self.step.num_old].flatten(1)
        bias = rows.new_zeros(len(rows)) if classifier.bias is None else classifier.bias[1 : self.step.num_old]
        found = F.normalize(row_prototypes(rows, bias), dim=1)
        directions = sum_over_ranks(None if self.sums is None else self.sums.directions)
        assert directions is not None, 'every step has an image'
        found = F.normalize(found + F.normalize(directions[1:].to(found), dim=1), dim=1)
        return {**super().finish(), 'row_prototypes': F.pad(found, (0, 0, 1, 0))}
