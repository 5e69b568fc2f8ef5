"""The main loss of STAR."""

from __future__ import annotations

from typing import Any

import torch.nn.functional as F
from mmengine.dist import get_world_size
from mmseg.registry import MODELS
from torch import Tensor

from mmciss.functional import at_least_float32, labels_at, replay_bce
from mmciss.functional.numerics import full_precision

from .binary_cross_entropy_loss import NewClassBCELoss


@MODELS.register_module()
class ReplayBCELoss(NewClassBCELoss):
    """Binary cross-entropy of the new classes, on the batch and on replayed embeddings, which are none of them.

    STAR (NeurIPS 2023): see :func:`mmciss.functional.replay_bce`. Beside the images stand embeddings drawn by the
    object ``method.shared.replay``, and the batch's sites that are background to labels and teacher, as often as they
    are missing in this step's images. Old rows get no gradient. Auxiliary heads have the plain loss.

    Args:
        pos_weight: As of :class:`~mmciss.models.losses.binary_cross_entropy_loss.NewClassBCELoss`; 4 on VOC and 30 on
            ADE20K, at all steps.
        **options: Its other arguments.
    """

    needs: tuple[str, ...] = ('embedding', 'rows', 'teacher', 'shared.replay', 'statistics.predicted_sites')

    def __init__(self, pos_weight: float = 4.0, **options: Any) -> None:
        super().__init__(pos_weight, **options)

    def forward(
        self,
        cls_score: Tensor,
        label: Tensor,
        weight: Tensor | None = None,
        avg_factor: float | None = None,
        reduction_override: str | None = None,
        ignore_index: int = 255,
        **kwargs: object,
    ) -> Tensor:
        """Computes the weighted loss; arguments as of :class:`~mmciss.models.losses.main_loss.MainLoss`."""
        plain = super().forward(cls_score, label, weight, avg_factor, reduction_override, ignore_index, **kwargs)
        whole = label.dim() == 3 and avg_factor is None and reduction_override in (None, 'mean')
        if self.outputs is None or self.outputs.teacher is None or not whole or plain.dim() or not self.loss_weight:
            return plain  # there is no mean over a batch of maps to add to
        assert self.context is not None
        student, teacher = self.outputs.student(), self.outputs.teacher
        assert student.embedding is not None
        size = student.embedding.shape[-2:]
        replay = self.context.shared['replay']
        amounts = replay.amounts(len(label))
        old = replay.seen_by(teacher, label.shape[-2:])
        background = labels_at((label == 0) & (old == 0), size, centre=True).flatten()
        rows = student.classifier.weight[self.num_old :].flatten(1)
        bias = None if student.classifier.bias is None else student.classifier.bias[self.num_old :]
        with full_precision(plain):
            sites = at_least_float32(student.embedding).permute(0, 2, 3, 1).flatten(0, 2)
            drawn = replay.draw(amounts.features, sites).to(sites)
            loss = replay_bce(
                plain / self.loss_weight,
                F.linear(drawn, rows, bias),
                F.linear(sites, rows, bias),
                background,
                len(drawn) / (len(sites) * get_world_size()),
                amounts.background,
            )
        return self.loss_weight * loss
