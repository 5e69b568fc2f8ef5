"""The distillation of feature maps of ILT, MBS, PLOP, RCIL and STAR."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import torch.nn.functional as F
from mmseg.registry import MODELS
from torch import Tensor

from mmciss.functional import (
    at_least_float32,
    feature_distillation,
    labels_at,
    local_pod,
    masked_feature_distillation,
    pooled_cube_distillation,
    weighted_feature_distillation,
)

from .extra_loss import ExtraLoss

if TYPE_CHECKING:
    from mmciss.models.outputs import SegOutput
    from mmciss.models.step_context import StepContext


@MODELS.register_module()
class FeatureDistillationLoss(ExtraLoss):
    """Mean squared difference between the student's and the teacher's output of one module.

    ILT (ICCVW 2019, arXiv 1907.13372), with the factor 100 used for the tables of the MiB family.

    Args:
        layer: Name of the module, relative to the segmentor; if it gives several maps, the last is taken, so
            ``'backbone'`` means the last map of any backbone.
        loss_weight: Factor of the loss.
    """

    needs: tuple[str, ...] = ('features', 'teacher')

    def __init__(self, layer: str = 'backbone', loss_weight: float = 100.0) -> None:
        super().__init__(loss_weight, (layer,))

    def forward(self, student: SegOutput, teacher: SegOutput, target: Tensor, context: StepContext) -> Tensor:
        """Computes the weighted loss of one batch."""
        new, old = (output.maps(self.layers)[-1] for output in (student, teacher))
        return self.loss_weight * feature_distillation(new, old)


@MODELS.register_module()
class ClassTokenDistillationLoss(ExtraLoss):
    """Mean square between both models' tokens of the old classes.

    MBS (ECCV 2024), for heads in which classes are tokens, such as Segmenter's.

    Args:
        layer: Module whose output is the tokens ``(N, C, D)``, in channel order.
        loss_weight: Factor of the loss.
    """

    needs: tuple[str, ...] = ('features', 'teacher')

    def __init__(self, layer: str = 'decode_head.classes_proj', loss_weight: float = 1.0) -> None:
        super().__init__(loss_weight, (layer,))

    def forward(self, student: SegOutput, teacher: SegOutput, target: Tensor, context: StepContext) -> Tensor:
        """Computes the weighted loss of one batch."""
        new, old = (output.maps(self.layers)[-1] for output in (student, teacher))
        return self.loss_weight * feature_distillation(new[:, : context.step.num_old], old)


@MODELS.register_module()
class WeightedFeatureDistillationLoss(ExtraLoss):
    """Keeps the features of old classes, and of the background as far as the teacher believes in it.

    MBS (ECCV 2024): see :func:`mmciss.functional.weighted_feature_distillation`. A position weighs 1 where the label,
    completed by the method's labeler, is an old class, the teacher's probability of background where it is background,
    and 0 where it is a new class or ignored.

    Args:
        layer: Module whose output is kept, maps ``(N, D, h, w)`` or tokens ``(N, h * w, D)``; None for the embedding.
        loss_weight: Factor of the loss.
    """

    def __init__(self, layer: str | None = None, loss_weight: float = 1.0) -> None:
        super().__init__(loss_weight, () if layer is None else (layer,))
        self.needs = ('logits', 'teacher', 'embedding' if layer is None else 'features')

    def forward(self, student: SegOutput, teacher: SegOutput, target: Tensor, context: StepContext) -> Tensor:
        """Computes the weighted loss of one batch."""
        new, old = self._maps(student), self._maps(teacher)
        believed = at_least_float32(teacher.logits).softmax(1)[:, :1]
        background = F.interpolate(believed, new.shape[-2:], mode='bilinear', align_corners=False)[:, 0]
        label = labels_at(target, new.shape[-2:])
        weights = (label < context.step.num_old).to(background).where(label != 0, background)
        return self.loss_weight * weighted_feature_distillation(new, old, weights)

    def _maps(self, output: SegOutput) -> Tensor:
        if not self.layers:
            assert output.embedding is not None
            return output.embedding
        found = output.maps(self.layers)[-1]
        return found if found.dim() == 4 else found.transpose(1, 2).unflatten(2, output.logits.shape[-2:])


@MODELS.register_module()
class LocalPODLoss(ExtraLoss):
    """Local POD of the named maps, the embedding, and the logits before upsampling.

    PLOP (CVPR 2021, arXiv 2011.11390).

    Args:
        layers: Names of modules, relative to the segmentor. The default is the release's: each stage's last residual
            sum before its activation, which in a ResNet of any depth is ``'backbone.layer1.-1.relu:input'`` and so on;
            on other backbones the output map of each stage, see :func:`mmciss.models.taps.stage_taps`.
        factor: Weight of each feature map; 0.01 for VOC, 0.001 for ADE20K.
        logits_factor: Weight of the logits; 0.0005 for VOC, 0.00001 for ADE20K.
        scales: Number of regions along each side, per scale.
        loss_weight: Factor of the sum.
    """

    needs: tuple[str, ...] = ('logits', 'embedding', 'features', 'teacher')

    def __init__(
        self,
        layers: str | Iterable[str] = 'stages:pre_activation',
        factor: float = 0.01,
        logits_factor: float = 0.0005,
        scales: Iterable[int] = (1, 2, 4),
        loss_weight: float = 1.0,
    ) -> None:
        super().__init__(loss_weight, layers)
        self.factor = factor
        self.logits_factor = logits_factor
        self.scales = tuple(scales)

    def forward(self, student: SegOutput, teacher: SegOutput, target: Tensor, context: StepContext) -> Tensor:
        """Computes the weighted loss of one batch."""
        new, old = self.paired_maps(student, teacher)
        factors = (self.factor,) * (len(new) - 1) + (self.logits_factor,)
        loss = local_pod(new, old, factors, context.step.num_old, context.step.num_seen, self.scales)
        return self.loss_weight * loss


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

    def forward(self, student: SegOutput, teacher: SegOutput, target: Tensor, context: StepContext) -> Tensor:
        """Computes the weighted loss of one batch."""
        new, old = self.paired_maps(student, teacher)
        sizes = context.step.num_old, context.step.num_seen
        number = len(new) - 1  # of maps, without the logits
        spatial = pooled_cube_distillation(new, old, [self.factor] * number + [self.last_factor], *sizes, self.kernels)
        factors = [self.channel_factor] * (number - 1) + [self.last_channel_factor]
        channel = pooled_cube_distillation(new[:-1], old[:-1], factors, *sizes, mode='channel')
        return self.loss_weight * (spatial + channel)


@MODELS.register_module()
class MaskedFeatureDistillationLoss(ExtraLoss):
    """Keeps the embedding where the teacher sees an old class in the background.

    STAR (NeurIPS 2023): see :func:`mmciss.functional.masked_feature_distillation`. What counts as seen says the object
    ``method.shared.replay``.

    Args:
        loss_weight: Factor of the loss.
    """

    needs: tuple[str, ...] = ('logits', 'embedding', 'teacher', 'shared.replay')

    def __init__(self, loss_weight: float = 5.0) -> None:
        super().__init__(loss_weight)

    def forward(self, student: SegOutput, teacher: SegOutput, target: Tensor, context: StepContext) -> Tensor:
        """Computes the weighted loss of one batch."""
        assert student.embedding is not None and teacher.embedding is not None
        old = context.shared['replay'].seen_by(teacher, target.shape[-2:])
        mask = (target == 0) & (old > 0)
        return self.loss_weight * masked_feature_distillation(student.embedding, teacher.embedding, mask)
