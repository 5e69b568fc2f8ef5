"""The main loss of LwF-MC and SSUL."""

from __future__ import annotations

from mmseg.registry import MODELS
from torch import Tensor

from mmciss.functional import binary_cross_entropy

from .main_loss import MainLoss


@MODELS.register_module()
class SigmoidCrossEntropyLoss(MainLoss):
    """Binary cross-entropy summed over all channels, at every step.

    SSUL (NeurIPS 2021, arXiv 2106.11562) averages over valid pixels, ``reduction='valid_mean'``;
    LwF-MC over all pixels, ``reduction='pixel_mean'``.

    Args:
        reduction: See :class:`~mmciss.models.losses.main_loss.MainLoss`.
        loss_weight: Factor of the loss.
        loss_name: Name in the log.
        negative_index: Label of pixels that are a negative example for every channel, such as those of an unknown
            class.
    """

    def __init__(
        self,
        reduction: str = 'valid_mean',
        loss_weight: float = 1.0,
        loss_name: str = 'loss_bce',
        negative_index: int | None = None,
    ) -> None:
        super().__init__(reduction, loss_weight, loss_name)
        self.negative_index = negative_index

    def pixel_loss(self, logits: Tensor, target: Tensor, ignore_index: int) -> Tensor:
        """See :func:`mmciss.functional.binary_cross_entropy`."""
        return binary_cross_entropy(logits, target, ignore_index, 'none', negative_index=self.negative_index)
