"""The loss of the auxiliary channels of a classifier, which stand for no class."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mmseg.registry import MODELS
from torch import Tensor

from mmciss.errors import ConfigError, unknown_name
from mmciss.functional import auxiliary_classifier_loss

from .extra_loss import RESOLUTIONS, ExtraLoss

if TYPE_CHECKING:
    from mmciss.models.outputs import SegOutput
    from mmciss.models.step_context import StepContext


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
