"""Binary cross-entropies: the main losses of LwF-MC, SSUL, DKD and STAR, and that of auxiliary channels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch.nn.functional as F
from mmengine.dist import get_world_size
from mmseg.registry import MODELS
from torch import Tensor

from mmciss.errors import ConfigError, unknown_name
from mmciss.functional import (
    at_least_float32,
    auxiliary_classifier_loss,
    binary_cross_entropy,
    labels_at,
    new_class_bce,
    replay_bce,
)
from mmciss.functional.numerics import full_precision

from .extra_loss import RESOLUTIONS, ExtraLoss
from .main_loss import MainLoss

if TYPE_CHECKING:
    from mmciss.models.outputs import SegOutput
    from mmciss.models.step_context import StepContext


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


@MODELS.register_module()
class AuxiliaryClassifierLoss(ExtraLoss):
    """Binary cross-entropy of the auxiliary channels, which ``classifier=dict(auxiliary=1)`` adds.

    The auxiliary classifier of DKD (NeurIPS 2022, arXiv 2210.05941) learns to answer no everywhere, so that new classes
    can start from it. The unknown classifier of SSUL (arXiv 2106.11562) learns to answer yes on pixels labelled as
    unknown.

    Args:
        positive_index: Label of pixels whose answer is yes; None for no pixel.
        ignore_index: Label of pixels that are left out; None for no pixel (DKD).
        resolution: ``'image'`` upsamples the channels to the size of the labels; ``'logit'`` does not, and requires
            ``positive_index`` and ``ignore_index`` to be None.
        loss_weight: Factor of the loss.

    Raises:
        ConfigError: If ``resolution`` is unknown or contradicts the other arguments.
    """

    needs: tuple[str, ...] = ('embedding', 'classifier')

    def __init__(
        self,
        positive_index: int | None = None,
        ignore_index: int | None = None,
        resolution: str = 'image',
        loss_weight: float = 1.0,
    ) -> None:
        super().__init__(loss_weight)
        if resolution not in RESOLUTIONS:
            raise unknown_name('resolution', resolution, RESOLUTIONS, 'AuxiliaryClassifierLoss.resolution')
        if resolution == 'logit' and (positive_index, ignore_index) != (None, None):
            raise ConfigError(
                "AuxiliaryClassifierLoss.resolution: 'logit' has no labels to compare "
                f'with, but positive_index={positive_index} and '
                f"ignore_index={ignore_index} need them; use 'image'"
            )
        self.positive_index = positive_index
        self.ignore_index = ignore_index
        self.resolution = resolution

    def forward(self, student: SegOutput, teacher: SegOutput | None, target: Tensor, context: StepContext) -> Tensor:
        """Computes the weighted loss of one batch.

        Raises:
            ConfigError: If the classifier has no auxiliary channel.
        """
        if student.auxiliary is None:
            raise ConfigError(
                'AuxiliaryClassifierLoss needs a classifier with auxiliary channels: '
                'set method.classifier = dict(auxiliary=1)'
            )
        if self.resolution == 'logit':
            return self.loss_weight * auxiliary_classifier_loss(student.auxiliary)
        positive = None if self.positive_index is None else target == self.positive_index
        ignored = None if self.ignore_index is None else target == self.ignore_index
        logits = student.auxiliary_at(target.shape[-2:])
        assert logits is not None
        return self.loss_weight * auxiliary_classifier_loss(logits, positive, ignored)


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
