"""The distillation of MiB."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mmseg.registry import MODELS
from torch import Tensor

from mmciss.functional import unbiased_distillation

from .extra_loss import LogitLoss

if TYPE_CHECKING:
    from mmciss.protocols.step import Step


@MODELS.register_module()
class UnbiasedDistillationLoss(LogitLoss):
    """Distillation whose teacher background covers the new classes.

    MiB (CVPR 2020, arXiv 2002.00718). Without new channels (domain-incremental steps) it is plain distillation.

    Args:
        loss_weight: Factor of the loss; 10 in MiB, 100 in SDR and RCIL.
        alpha: Factor on the teacher's logits.
        resolution: ``'image'`` or ``'logit'``, see :class:`~mmciss.models.losses.extra_loss.LogitLoss`.
    """

    def __init__(self, loss_weight: float = 10.0, alpha: float = 1.0, resolution: str = 'image') -> None:
        super().__init__(loss_weight, resolution)
        self.alpha = alpha

    def compare(self, logits: Tensor, teacher_logits: Tensor, target: Tensor, step: Step, **upsampling: Any) -> Tensor:
        """See :func:`mmciss.functional.unbiased_distillation`."""
        return unbiased_distillation(logits, teacher_logits, self.alpha, **upsampling)
