"""Prototypes of old classes that nothing was stored of: from the old model's rows, and from what it sees."""

from __future__ import annotations

from typing import Any

import torch.nn.functional as F
from torch import Tensor

from mmciss.engine.statistics.data_pass import sum_over_ranks
from mmciss.engine.statistics.predicted_sites import PredictedSites
from mmciss.functional import EmbeddingSums, embedding_sums, predicted_classes, row_prototypes
from mmciss.models.outputs import SegOutput, linear_classifier
from mmciss.models.step_context import StepContext
from mmciss.models.teacher import Teacher
from mmciss.registry import STATISTICS


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
