"""Mean teacher feature of every class it knows."""
from __future__ import annotations

import torch
from mmengine.dist import all_reduce
from torch import Tensor

from mmciss.engine.statistics.data_pass import DataPass
from mmciss.functional.class_features import class_sums
from mmciss.functional.labels_at import labels_at
from mmciss.models.outputs import SegOutput
from mmciss.registry import STATISTICS


@STATISTICS.register_module()
class ClassPrototypes(DataPass):
    """Mean feature per old channel, over pixels that the teacher assigns to it, on the step's images.

    GSC (arXiv 2307.10822), reconstructed: see :func:`mmciss.functional.prototype_relabel.prototype_relabel`.

    Args:
        layer: Module whose output ``(N, D, h, w)`` is averaged.
    """

    needs = ('logits', 'features')

    def __init__(self, layer: str) -> None:
        self.layers = (layer, )
        self.sums: Tensor | None = None
        self.counts: Tensor | None = None

    def update(self, inputs: Tensor, target: Tensor, teacher: SegOutput) -> None:
        """Adds the batch's features."""
        features = teacher.features[self.layers[0]]
        features = features[-1] if isinstance(features, list | tuple) else features
        small = labels_at(target, features.shape[-2:])
        predicted = teacher.logits_at(features.shape[-2:]).argmax(1)
        labels = torch.where(small == 0, predicted, torch.full_like(small, 255))
        batch = class_sums(features, labels, self.step.num_old)
        self.sums = batch.sums.double() if self.sums is None else self.sums + batch.sums
        self.counts = batch.counts if self.counts is None else self.counts + batch.counts

    def finish(self) -> dict[str, Tensor]:
        """Returns ``prototypes (C_old, D)`` and ``prototype_counts (C_old,)``."""
        all_reduce(self.sums)
        all_reduce(self.counts)
        means = self.sums / self.counts.clamp(min=1).unsqueeze(1)
        return {'prototypes': means.float(), 'prototype_counts': self.counts}
