"""The distillation of LwF-MC and DKD."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mmseg.registry import MODELS
from torch import Tensor

from mmciss.functional import sigmoid_distillation

from .extra_loss import LogitLoss

if TYPE_CHECKING:
    from mmciss.protocols.step import Step


@MODELS.register_module()
class SigmoidDistillationLoss(LogitLoss):
    """Binary cross-entropy towards the teacher's sigmoid, summed over old channels.

    LwF-MC (arXiv 1611.07725 for segmentation): ``loss_weight=10``; the further factor ``C_old`` as published is the sum
    over channels here. DKD (NeurIPS 2022, arXiv 2210.05941): ``loss_weight=5, foreground_only=True``, since DKD has no
    background classifier.

    Args:
        loss_weight: Factor of the loss.
        foreground_only: Whether to leave out the background channel.
        resolution: ``'image'`` or ``'logit'``, see :class:`~mmciss.models.losses.extra_loss.LogitLoss`.
    """

    def __init__(self, loss_weight: float = 10.0, foreground_only: bool = False, resolution: str = 'image') -> None:
        super().__init__(loss_weight, resolution)
        self.foreground_only = foreground_only

    def compare(self, logits: Tensor, teacher_logits: Tensor, target: Tensor, step: Step, **upsampling: Any) -> Tensor:
        """See :func:`mmciss.functional.sigmoid_distillation`."""
        first = int(self.foreground_only and step.background)
        return sigmoid_distillation(logits[:, first:], teacher_logits[:, first:], **upsampling)
