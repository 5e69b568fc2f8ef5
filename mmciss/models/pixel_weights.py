"""Weights per pixel or per image for MMSegmentation's losses."""

from __future__ import annotations

from collections.abc import Iterable

from mmseg.structures.sampler import BasePixelSampler
from torch import Tensor, nn

from mmciss.functional.labels_at import labels_at


class PixelWeights(BasePixelSampler):
    """Hands weights that were computed beforehand to a head's losses, through the head's own ``sampler`` slot.

    Args:
        sampler: The sampler that the head had from its config; its weights are multiplied with ours.
    """

    def __init__(self, sampler: BasePixelSampler | None = None) -> None:
        self.sampler = sampler
        self.weights: Tensor | None = None

    def sample(self, seg_logit: Tensor, seg_label: Tensor) -> Tensor | None:
        """Returns the weights ``(N, H, W)`` for the labels ``(N, 1, H, W)``."""
        own = None if self.sampler is None else self.sampler.sample(seg_logit, seg_label)
        if self.weights is None:
            return own
        weights = labels_at(self.weights, tuple(seg_label.shape[-2:]))  # a head may look at coarser labels
        return weights if own is None else own * weights


def install_pixel_weights(heads: Iterable[nn.Module]) -> list[PixelWeights]:
    """Puts a :class:`PixelWeights` in front of each head's sampler and returns them."""
    installed = []
    for head in heads:
        # K-Net's head has neither losses nor a sampler of its own; its first inner head has.
        head = head if hasattr(head, 'sampler') else head.kernel_generate_head
        if not isinstance(head.sampler, PixelWeights):
            head.sampler = PixelWeights(head.sampler)
        installed.append(head.sampler)
    return installed
