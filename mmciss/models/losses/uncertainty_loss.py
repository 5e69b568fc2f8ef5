"""The uncertainty-aware constraint of Adapter and CoGaMiD."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mmseg.registry import MODELS
from torch import Tensor

from mmciss.functional import uncertainty

from .extra_loss import ExtraLoss

if TYPE_CHECKING:
    from mmciss.models.outputs import SegOutput
    from mmciss.models.step_context import StepContext


@MODELS.register_module()
class UncertaintyLoss(ExtraLoss):
    """Lowers the second largest probability of pixels that are neither right nor sure.

    Adapter (AAAI 2025): see :func:`mmciss.functional.uncertainty`.

    Args:
        loss_weight: Factor of the loss.
        threshold: Probability above which a pixel is sure.
    """

    needs: tuple[str, ...] = ('logits',)

    def __init__(self, loss_weight: float = 0.1, threshold: float = 0.7) -> None:
        super().__init__(loss_weight)
        self.threshold = threshold

    def forward(self, student: SegOutput, teacher: SegOutput | None, target: Tensor, context: StepContext) -> Tensor:
        """Computes the weighted loss of one batch."""
        return self.loss_weight * uncertainty(student.logits_at(target.shape[-2:]), target, self.threshold)
