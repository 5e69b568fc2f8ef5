"""Binary cross-entropies: the main losses of LwF-MC, SSUL and DKD, and that of auxiliary channels."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mmseg.registry import MODELS
from torch import Tensor

from mmciss.errors import ConfigError, unknown_name
from mmciss.functional import auxiliary_classifier_loss, binary_cross_entropy, new_class_bce

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
