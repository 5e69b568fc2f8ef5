"""The distillation of LwF."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mmseg.registry import MODELS
from torch import Tensor

from mmciss.functional import logit_distillation

from .extra_loss import LogitLoss

if TYPE_CHECKING:
    from mmciss.protocols.step import Step


@MODELS.register_module()
class LogitDistillationLoss(LogitLoss):
    """Distillation of the teacher's softmax into the student's softmax over old channels.

    LwF (ECCV 2016, arXiv 1606.09282), and the output term of ILT; both use a factor of 100.

    Args:
        loss_weight: Factor of the loss.
        resolution: ``'image'`` or ``'logit'``, see :class:`~mmciss.models.losses.extra_loss.LogitLoss`.
    """

    def __init__(self, loss_weight: float = 100.0, resolution: str = 'image') -> None:
        super().__init__(loss_weight, resolution)

    def compare(self, logits: Tensor, teacher_logits: Tensor, target: Tensor, step: Step, **upsampling: Any) -> Tensor:
        """See :func:`mmciss.functional.logit_distillation`."""
        return logit_distillation(logits, teacher_logits, **upsampling)
