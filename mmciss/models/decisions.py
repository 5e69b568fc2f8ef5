"""From logits to classes: the decision that belongs to how a model was trained."""
from __future__ import annotations

import torch
from mmseg.registry import MODELS
from torch import Tensor, nn


@MODELS.register_module()
class ArgmaxDecision(nn.Module):
    """The channel with the largest logit, MMSegmentation's own decision."""

    def forward(self, logits: Tensor, auxiliary: Tensor | None = None) -> Tensor:
        """Returns scores ``(N, C, H, W)`` whose argmax is the decision."""
        return logits


@MODELS.register_module()
class SigmoidThresholdDecision(nn.Module):
    """The foreground channel with the largest sigmoid if that exceeds a threshold, else background.

    ``sigmoid(z) > t`` is ``z > log(t / (1 - t))``, so it is the same as giving the background that constant logit
    and taking the argmax (DKD, arXiv 2210.05941, section 3: t = 0.5, constant 0).

    Args:
        threshold: The probability below which a pixel is background.
    """

    def __init__(self, threshold: float = 0.5) -> None:
        super().__init__()
        if not 0 < threshold < 1:
            raise ValueError(f'method.decision.threshold must lie between 0 and 1, found {threshold}')
        self.background_logit = float(torch.logit(torch.tensor(threshold, dtype=torch.float64)))

    def forward(self, logits: Tensor, auxiliary: Tensor | None = None) -> Tensor:
        """Returns scores ``(N, C, H, W)`` whose argmax is the decision."""
        scores = logits.clone()
        scores[:, 0] = self.background_logit
        return scores
