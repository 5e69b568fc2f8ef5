"""The feature distillation of RCIL."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from mmseg.registry import MODELS
from torch import Tensor

from mmciss.functional import pooled_cube_distillation

from .extra_loss import ExtraLoss

if TYPE_CHECKING:
    from mmciss.models.outputs import SegOutput
    from mmciss.models.step_context import StepContext


@MODELS.register_module()
class PooledCubeLoss(ExtraLoss):
    """Maps pooled by sliding windows in space, plus maps pooled over channels.

    RCIL (CVPR 2022, arXiv 2203.05402). The spatial part compares the named maps, the embedding and the logits; the
    channel part compares all but the logits. The last map of each part has a factor of its own.

    Args:
        layers: Names of modules, relative to the segmentor. The default is the release's: each stage's map after its
            activation, on any backbone.
        factor: Weight of each map; 0.01 for VOC, 5e-6 for ADE20K.
        last_factor: Weight of the last map of the spatial part; 0.0005 for VOC, 5e-7 for ADE20K.
        channel_factor: ``factor`` of the channel part; None for the same value.
        last_channel_factor: ``last_factor`` of the channel part; None for the same value.
        kernels: Side lengths of the spatial windows, in pixels of each map.
        loss_weight: Factor of the sum.
    """

    needs: tuple[str, ...] = ('logits', 'embedding', 'features', 'teacher')

    def __init__(
        self,
        layers: str | Iterable[str] = 'stages',
        factor: float = 0.01,
        last_factor: float = 0.0005,
        channel_factor: float | None = None,
        last_channel_factor: float | None = None,
        kernels: Iterable[int] = (4, 8, 12, 16, 20, 24),
        loss_weight: float = 1.0,
    ) -> None:
        super().__init__(loss_weight, layers)
        self.factor, self.last_factor = factor, last_factor
        self.channel_factor = factor if channel_factor is None else channel_factor
        self.last_channel_factor = last_factor if last_channel_factor is None else last_channel_factor
        self.kernels = tuple(kernels)

    def forward(self, student: SegOutput, teacher: SegOutput | None, target: Tensor, context: StepContext) -> Tensor:
        """Computes the weighted loss of one batch, 0 without a teacher."""
        if teacher is None:
            return student.logits.new_zeros(())
        new, old = self.paired_maps(student, teacher)
        sizes = context.step.num_old, context.step.num_seen
        number = len(new) - 1  # of maps, without the logits
        spatial = pooled_cube_distillation(new, old, [self.factor] * number + [self.last_factor], *sizes, self.kernels)
        factors = [self.channel_factor] * (number - 1) + [self.last_channel_factor]
        channel = pooled_cube_distillation(new[:-1], old[:-1], factors, *sizes, mode='channel')
        return self.loss_weight * (spatial + channel)
