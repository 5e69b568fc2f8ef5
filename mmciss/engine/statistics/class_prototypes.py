"""Mean feature of every class that the teacher knows."""

from __future__ import annotations

import torch
from torch import Tensor

from mmciss.engine.statistics.data_pass import DataPass, sum_over_ranks
from mmciss.functional import class_sums, labels_at
from mmciss.models.outputs import SegOutput
from mmciss.models.step_context import StepContext
from mmciss.models.teacher import Teacher
from mmciss.registry import STATISTICS


@STATISTICS.register_module()
class ClassPrototypes(DataPass):
    """Mean feature per old channel, over the background pixels that the teacher assigns to it.

    GSC (arXiv 2307.10822), reconstructed: see :func:`mmciss.functional.rectified_log_probabilities`. A channel that the
    teacher never predicts has no mean: its prototype is NaN, and no pixel gets its label.

    Args:
        layer: Module whose output ``(N, D, h, w)`` is averaged; of several maps the last.
    """

    needs: tuple[str, ...] = ('logits', 'features')
    finds: tuple[str, ...] = ('prototypes', 'prototype_counts')

    def __init__(self, layer: str) -> None:
        self.layers = (layer,)

    def begin(self, context: StepContext, model: Teacher) -> None:
        """Starts with empty sums."""
        super().begin(context, model)
        self.sums: Tensor | None = None
        self.counts: Tensor | None = None

    def update(self, inputs: Tensor, target: Tensor, output: SegOutput) -> None:
        """Adds the batch's features."""
        features = output.maps(self.layers)[-1]
        small = labels_at(target, features.shape[-2:])
        predicted = output.logits_at(features.shape[-2:]).argmax(1)
        labels = torch.where(small == 0, predicted, 255)
        batch = class_sums(features, labels, self.step.num_old)
        self.sums = batch.sums.double() if self.sums is None else self.sums + batch.sums
        self.counts = batch.counts if self.counts is None else self.counts + batch.counts

    def finish(self) -> dict[str, Tensor]:
        """Returns ``prototypes (C_old, D)`` and ``prototype_counts (C_old,)``."""
        sums, counts = sum_over_ranks(self.sums), sum_over_ranks(self.counts)
        assert sums is not None and counts is not None, 'every step has an image'
        means = sums / counts.unsqueeze(1)  # 0 / 0 is NaN
        return {'prototypes': means.float(), 'prototype_counts': counts}
