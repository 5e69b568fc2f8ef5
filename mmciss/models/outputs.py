"""What a segmentor said about one batch, shared by labelers and losses."""
from __future__ import annotations

from dataclasses import dataclass, field

import torch.nn.functional as F
from torch import Tensor, nn


@dataclass
class SegOutput:
    """Logits, embedding and features of one forward pass."""

    logits: Tensor
    embedding: Tensor | None = None
    features: dict[str, Tensor] = field(default_factory=dict)
    classifier: nn.Module | None = None
    align_corners: bool = False
    _full: dict[tuple[int, int], Tensor] = field(default_factory=dict, repr=False)

    def logits_at(self, size: tuple[int, int]) -> Tensor:
        """Returns the logits upsampled to ``size`` (H, W), computed once."""
        size = (int(size[0]), int(size[1]))
        if size not in self._full:
            self._full[size] = self.logits if tuple(self.logits.shape[-2:]) == size else F.interpolate(
                self.logits, size, mode='bilinear', align_corners=self.align_corners)
        return self._full[size]

    def remember_logits(self, full: Tensor) -> None:
        """Puts logits that are already upsampled into the cache."""
        self._full[(full.shape[-2], full.shape[-1])] = full
