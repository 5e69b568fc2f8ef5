"""Replay of old classes that keeps nothing of them but their number of sites."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from mmseg.registry import MODELS

from mmciss.functional import EmbeddingDistribution
from mmciss.models.shared.feature_replay import FeatureReplay

if TYPE_CHECKING:
    from mmciss.models.step_context import StepContext


@MODELS.register_module()
class RowReplay(FeatureReplay):
    """``FeatureReplay`` whose prototypes are found anew at every step, STAR (TPAMI 2025), lite.

    They come from the pass :class:`~mmciss.engine.statistics.RowPrototypes`, which takes the place of
    ``PredictedSites``. The spread of a class is its distance from the nearest other prototype, and norms are not known,
    so the sampler is :class:`~mmciss.models.shared.SphereSampler`. A class costs one number, its sites.
    """

    kept = ('counts',)

    def prepare(self, context: StepContext) -> None:
        """Makes room for the classes seen so far; only the counts are part of the state."""
        super().prepare(context)
        for name in EmbeddingDistribution._fields:
            self.register_buffer(name, getattr(self, name), persistent=False)

    def begin(self, context: StepContext) -> None:
        """Takes the counts that the previous step left, and what the pass before training found."""
        super().begin(context)
        if context.previous is None:
            return
        found = context.statistic('row_prototypes', self, self.prototype)
        apart = torch.cdist(found[1:], found[1:], compute_mode='donot_use_mm_for_euclid_dist')
        distance = apart.fill_diagonal_(2.0).amin(1, keepdim=True)
        self.prototype[: self.num_old] = found.to(self.prototype)
        self.spread[1 : self.num_old] = (distance / found.shape[1] ** 0.5).to(self.spread)
