"""The main loss of MiB."""

from __future__ import annotations

from mmseg.registry import MODELS
from torch import Tensor

from mmciss.functional import unbiased_cross_entropy

from .main_loss import MainLoss


@MODELS.register_module()
class UnbiasedCrossEntropyLoss(MainLoss):
    """Cross-entropy whose background covers all old classes; plain cross-entropy at the base step.

    MiB (CVPR 2020, arXiv 2002.00718). The authors average over all pixels, ``reduction='pixel_mean'``.
    """

    def pixel_loss(self, logits: Tensor, target: Tensor, ignore_index: int) -> Tensor:
        """See :func:`mmciss.functional.unbiased_cross_entropy`."""
        return unbiased_cross_entropy(logits, target, self.num_old, ignore_index, 'none')
