"""Running mean features of classes."""

from __future__ import annotations

from torch import Tensor

from .class_features import ClassSums


def update_prototypes(prototypes: Tensor, counts: Tensor, batch: ClassSums) -> tuple[Tensor, Tensor]:
    """Continues running means over all pixels seen, the prototypes of SDR (arXiv 2103.06342).

    Args:
        prototypes: Means so far, shape ``(C, D)``.
        counts: Numbers of pixels behind them, shape ``(C,)``, int64.
        batch: Sums and numbers of pixels of one batch, over all ranks; classes without pixels stay.

    Returns:
        New prototypes and counts.
    """
    total = counts + batch.counts
    # mean + (new - mean) * share keeps its digits when counts reach billions.
    share = (batch.counts.double() / total.clamp(min=1)).to(prototypes).unsqueeze(1)
    moved = (batch.means.to(prototypes) - prototypes) * share
    return prototypes + moved, total
