"""The feature distillation of ILT."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mmseg.registry import MODELS
from torch import Tensor

from mmciss.functional import feature_distillation

from .extra_loss import ExtraLoss

if TYPE_CHECKING:
    from mmciss.models.outputs import SegOutput
    from mmciss.models.step_context import StepContext


@MODELS.register_module()
class FeatureDistillationLoss(ExtraLoss):
    """Mean squared difference between the student's and the teacher's output of one module.

    ILT (ICCVW 2019, arXiv 1907.13372), with the factor 100 used for the tables of the MiB family.

    Args:
        layer: Name of the module, relative to the segmentor; if it gives several maps, the last is taken, so
            ``'backbone'`` means the last map of any backbone.
        loss_weight: Factor of the loss.
    """

    needs: tuple[str, ...] = ('features', 'teacher')

    def __init__(self, layer: str = 'backbone', loss_weight: float = 100.0) -> None:
        super().__init__(loss_weight, (layer,))

    def forward(self, student: SegOutput, teacher: SegOutput | None, target: Tensor, context: StepContext) -> Tensor:
        """Computes the weighted loss of one batch, 0 without a teacher."""
        if teacher is None:
            return student.logits.new_zeros(())
        new, old = (output.maps(self.layers)[-1] for output in (student, teacher))
        return self.loss_weight * feature_distillation(new, old)
