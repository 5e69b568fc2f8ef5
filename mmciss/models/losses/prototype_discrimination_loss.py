"""STAR's similarity-aware discrimination."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mmseg.registry import MODELS
from torch import Tensor

from mmciss.functional import prototype_discrimination

from .extra_loss import ExtraLoss

if TYPE_CHECKING:
    from mmciss.models.outputs import SegOutput
    from mmciss.models.step_context import StepContext


@MODELS.register_module()
class PrototypeDiscriminationLoss(ExtraLoss):
    """Moves the embeddings of each new class away from the nearest prototype of an old one.

    STAR (NeurIPS 2023): see :func:`mmciss.functional.prototype_discrimination`. The prototypes are those of the object
    ``method.shared.replay``.

    Args:
        loss_weight: Factor of the loss.
    """

    needs: tuple[str, ...] = ('embedding', 'shared.replay')

    def __init__(self, loss_weight: float = 0.05) -> None:
        super().__init__(loss_weight)

    def forward(self, student: SegOutput, teacher: SegOutput | None, target: Tensor, context: StepContext) -> Tensor:
        """Computes the weighted loss of one batch."""
        assert student.embedding is not None
        new = range(context.step.num_old, context.step.num_seen)
        prototypes = context.shared['replay'].known_prototypes()
        return self.loss_weight * prototype_discrimination(student.embedding, target, prototypes, new)
