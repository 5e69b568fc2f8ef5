"""STAR's old-class feature maintaining."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mmseg.registry import MODELS
from torch import Tensor

from mmciss.functional import masked_feature_distillation

from .extra_loss import ExtraLoss

if TYPE_CHECKING:
    from mmciss.models.outputs import SegOutput
    from mmciss.models.step_context import StepContext


@MODELS.register_module()
class MaskedFeatureDistillationLoss(ExtraLoss):
    """Keeps the embedding where the teacher sees an old class in the background.

    STAR (NeurIPS 2023): see :func:`mmciss.functional.masked_feature_distillation`. What counts as seen says the object
    ``method.shared.replay``.

    Args:
        loss_weight: Factor of the loss.
    """

    needs: tuple[str, ...] = ('logits', 'embedding', 'teacher', 'shared.replay')

    def __init__(self, loss_weight: float = 5.0) -> None:
        super().__init__(loss_weight)

    def forward(self, student: SegOutput, teacher: SegOutput | None, target: Tensor, context: StepContext) -> Tensor:
        """Computes the weighted loss of one batch, 0 without a teacher."""
        if teacher is None:
            return student.logits.new_zeros(())
        assert student.embedding is not None and teacher.embedding is not None
        old = context.shared['replay'].seen_by(teacher, target.shape[-2:])
        mask = (target == 0) & (old > 0)
        return self.loss_weight * masked_feature_distillation(student.embedding, teacher.embedding, mask)
