"""The feature distillation of PLOP."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from mmseg.registry import MODELS
from torch import Tensor

from mmciss.functional import local_pod

from .extra_loss import ExtraLoss

if TYPE_CHECKING:
    from mmciss.models.outputs import SegOutput
    from mmciss.models.step_context import StepContext


@MODELS.register_module()
class LocalPODLoss(ExtraLoss):
    """Local POD of the named maps, the embedding, and the logits before upsampling.

    PLOP (CVPR 2021, arXiv 2011.11390).

    Args:
        layers: Names of modules, relative to the segmentor. The default is the release's: each stage's last residual
            sum before its activation, which in a ResNet of any depth is ``'backbone.layer1.-1.relu:input'`` and so on;
            on other backbones the output map of each stage, see :func:`mmciss.models.taps.stage_taps`.
        factor: Weight of each feature map; 0.01 for VOC, 0.001 for ADE20K.
        logits_factor: Weight of the logits; 0.0005 for VOC, 0.00001 for ADE20K.
        scales: Number of regions along each side, per scale.
        loss_weight: Factor of the sum.
    """

    needs: tuple[str, ...] = ('logits', 'embedding', 'features', 'teacher')

    def __init__(
        self,
        layers: str | Iterable[str] = 'stages:pre_activation',
        factor: float = 0.01,
        logits_factor: float = 0.0005,
        scales: Iterable[int] = (1, 2, 4),
        loss_weight: float = 1.0,
    ) -> None:
        super().__init__(loss_weight, layers)
        self.factor = factor
        self.logits_factor = logits_factor
        self.scales = tuple(scales)

    def forward(self, student: SegOutput, teacher: SegOutput | None, target: Tensor, context: StepContext) -> Tensor:
        """Computes the weighted loss of one batch, 0 without a teacher."""
        if teacher is None:
            return student.logits.new_zeros(())
        new, old = self.paired_maps(student, teacher)
        factors = (self.factor,) * (len(new) - 1) + (self.logits_factor,)
        loss = local_pod(new, old, factors, context.step.num_old, context.step.num_seen, self.scales)
        return self.loss_weight * loss
