"""The cross-entropies of MiB and GSC."""

from __future__ import annotations

import torch.nn.functional as F
from mmseg.registry import MODELS
from torch import Tensor

from mmciss.functional import at_least_float32, gradient_compensation, unbiased_cross_entropy

from .main_loss import MainLoss


@MODELS.register_module()
class UnbiasedCrossEntropyLoss(MainLoss):
    """Cross-entropy whose background covers all old classes; plain cross-entropy at the base step.

    MiB (CVPR 2020, arXiv 2002.00718). The authors average over all pixels, ``reduction='pixel_mean'``.
    """

    def pixel_loss(self, logits: Tensor, target: Tensor, ignore_index: int) -> Tensor:
        """See :func:`mmciss.functional.unbiased_cross_entropy`."""
        return unbiased_cross_entropy(logits, target, self.num_old, ignore_index, 'none')


@MODELS.register_module()
class GradientCompensatedCrossEntropyLoss(MainLoss):
    """Cross-entropy weighted to balance how fast the classes of each step are forgotten.

    GSC (IEEE TMM 2024, arXiv 2307.10822); :func:`mmciss.functional.gradient_compensation` says which parts of the
    formula are certain. At the base step every weight is 1.

    Args:
        power: Whether to raise gradients to the power ``C_old / C``.
        activation: ``'sigmoid'`` or ``'softmax'``.
        reduction: See :class:`~mmciss.models.losses.main_loss.MainLoss`.
        loss_weight: Factor of the loss.
        loss_name: Name in the log.
    """

    def __init__(
        self,
        power: bool = True,
        activation: str = 'sigmoid',
        reduction: str = 'pixel_mean',
        loss_weight: float = 1.0,
        loss_name: str = 'loss_ce',
    ) -> None:
        super().__init__(reduction, loss_weight, loss_name)
        self.power = power
        self.activation = activation

    def pixel_loss(self, logits: Tensor, target: Tensor, ignore_index: int) -> Tensor:
        """Returns the cross-entropy of each pixel times its weight."""
        loss = F.cross_entropy(at_least_float32(logits), target, ignore_index=ignore_index, reduction='none')
        if self.step is None or not self.num_old:
            return loss
        return loss * gradient_compensation(
            logits, target, self.step.step_of_channel, self.num_old, ignore_index, self.power, self.activation
        )
