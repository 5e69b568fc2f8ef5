"""The distillation of sigmoids of LwF-MC and DKD."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mmseg.registry import MODELS
from torch import Tensor

from mmciss.functional import decomposed_distillation, sigmoid_distillation

from .extra_loss import ExtraLoss, LogitLoss

if TYPE_CHECKING:
    from mmciss.models.outputs import SegOutput
    from mmciss.models.step_context import StepContext
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


@MODELS.register_module()
class DecomposedDistillationLoss(ExtraLoss):
    """Distils the evidence for and the evidence against each old class separately.

    DKD (NeurIPS 2022, arXiv 2210.05941). Logits are split by the sign of the classifier's weights,
    at the resolution of the embedding, which should be non-negative.

    Args:
        positive_weight: Factor of the positive term.
        negative_weight: Factor of the negative term.
        foreground_only: Whether to leave out the background channel; DKD has none.
        loss_weight: Factor of the sum.
    """

    needs: tuple[str, ...] = ('embedding', 'rows', 'teacher')

    def __init__(
        self,
        positive_weight: float = 5.0,
        negative_weight: float = 5.0,
        foreground_only: bool = True,
        loss_weight: float = 1.0,
    ) -> None:
        super().__init__(loss_weight)
        self.positive_weight = positive_weight
        self.negative_weight = negative_weight
        self.foreground_only = foreground_only

    def forward(self, student: SegOutput, teacher: SegOutput | None, target: Tensor, context: StepContext) -> Tensor:
        """Computes the weighted loss of one batch, 0 without a teacher."""
        if teacher is None:
            return student.logits.new_zeros(())
        assert student.embedding is not None and teacher.embedding is not None
        old = slice(int(self.foreground_only and context.step.background), context.step.num_old)
        positive, negative = decomposed_distillation(
            student.embedding,
            student.classifier.weight[old],
            teacher.embedding,
            teacher.classifier.weight[old].detach(),
        )
        loss = self.positive_weight * positive + self.negative_weight * negative
        return self.loss_weight * loss
