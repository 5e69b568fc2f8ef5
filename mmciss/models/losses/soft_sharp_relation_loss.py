"""The relation distillation of GSC."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mmseg.registry import MODELS
from torch import Tensor

from mmciss.functional import sharp_relation, soft_relation

from .extra_loss import LogitLoss

if TYPE_CHECKING:
    from mmciss.protocols.step import Step


@MODELS.register_module()
class SoftSharpRelationLoss(LogitLoss):
    """Soft labels that carry the relations between classes, plus a term that sharpens predictions.

    GSC (IEEE TMM 2024, arXiv 2307.10822); :func:`mmciss.functional.soft_relation` says which parts of the formulas are
    certain. Both factors are from related code by the same authors.

    Args:
        soft_weight: Factor of the soft term; 0 leaves it out.
        sharp_weight: Factor of the sharp term; 0 leaves it out.
        loss_weight: Factor of the sum.
    """

    def __init__(self, soft_weight: float = 0.3, sharp_weight: float = 0.1, loss_weight: float = 1.0) -> None:
        super().__init__(loss_weight, resolution='image')  # the labels are part of the target
        self.soft_weight = soft_weight
        self.sharp_weight = sharp_weight

    def compare(self, logits: Tensor, teacher_logits: Tensor, target: Tensor, step: Step, **upsampling: Any) -> Tensor:
        """See :mod:`mmciss.functional.soft_relation`."""
        loss = logits.new_zeros(())
        if self.soft_weight:
            soft = soft_relation(logits, teacher_logits, target, teacher_logits.shape[1], **upsampling)
            loss = loss + self.soft_weight * soft
        if self.sharp_weight:
            loss = loss + self.sharp_weight * sharp_relation(logits, **upsampling)
        return loss
