"""The main loss of DKD."""

from __future__ import annotations

from mmseg.registry import MODELS
from torch import Tensor

from mmciss.functional import new_class_bce

from .main_loss import MainLoss


@MODELS.register_module()
class NewClassBCELoss(MainLoss):
    """Binary cross-entropy of the step's new classes, summed over classes.

    DKD (NeurIPS 2022, arXiv 2210.05941). Old classes and background are negative examples; the background has no
    classifier, so its channel is left out. Base step and domain-incremental steps train every foreground class.

    Args:
        pos_weight: Factor of positive examples; in the paper 2 at the base step and 1 later on VOC, 35 on ADE20K.
        void_is_negative: Whether ignored pixels, padding included, are negative examples, as in the release. By default
            they are left out.
        reduction: See :class:`~mmciss.models.losses.main_loss.MainLoss`.
        loss_weight: Factor of the loss.
        loss_name: Name in the log.
    """

    def __init__(
        self,
        pos_weight: float = 1.0,
        void_is_negative: bool = False,
        reduction: str = 'pixel_mean',
        loss_weight: float = 1.0,
        loss_name: str = 'loss_mbce',
    ) -> None:
        super().__init__(reduction, loss_weight, loss_name)
        self.pos_weight = pos_weight
        self.void_is_negative = void_is_negative

    def pixel_loss(self, logits: Tensor, target: Tensor, ignore_index: int) -> Tensor:
        """See :func:`mmciss.functional.new_class_bce`."""
        background = int(self.step is None or self.step.background)
        new = range(max(self.num_old, background), logits.shape[1])
        ignored = None if self.void_is_negative else ignore_index
        return new_class_bce(logits, target, new, self.pos_weight, ignored, 'none')
