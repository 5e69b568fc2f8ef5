"""Distillation of the classes of queries."""

from __future__ import annotations

from mmseg.registry import MODELS
from torch import Tensor

from mmciss.functional import query_distillation
from mmciss.models.losses.extra_loss import ExtraLoss
from mmciss.models.outputs import SegOutput
from mmciss.models.step_context import StepContext


@MODELS.register_module()
class QueryDistillationLoss(ExtraLoss):
    """Keeps what the teacher's queries say of old classes, see :func:`~mmciss.functional.query_distillation`.

    It compares the last decoder layer.

    Args:
        loss_weight: Factor of the loss.
        focus: Exponent of the weight of a query, which is the probability that the teacher gives to old classes.
    """

    needs = ('queries', 'teacher')

    def __init__(self, loss_weight: float = 1.0, focus: float = 1.0) -> None:
        super().__init__(loss_weight)
        self.focus = focus

    def forward(self, student: SegOutput, teacher: SegOutput | None, target: Tensor, context: StepContext) -> Tensor:
        """Computes the weighted loss of one batch, 0 without a teacher."""
        if teacher is None:
            return student.logits.new_zeros(())
        assert student.queries is not None and teacher.queries is not None
        new, old = student.queries.classes, teacher.queries.classes
        return self.loss_weight * query_distillation(new, old, context.step.background, self.focus)
