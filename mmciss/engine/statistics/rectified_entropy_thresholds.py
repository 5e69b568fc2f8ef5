"""PLOP's thresholds for scores corrected by class prototypes."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from mmciss.engine.statistics.entropy_thresholds import EntropyThresholds
from mmciss.functional import rectified_log_probabilities
from mmciss.models.outputs import SegOutput
from mmciss.registry import STATISTICS


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
