"""Feature maps and labels on which several reference implementations were run."""

from __future__ import annotations

import torch
from torch import Tensor

from tests.functional.closed_form import wave

CHANNELS = (4, 4, 6, 6, 5)


def teacher_maps() -> list[Tensor]:
    """Five feature maps and the logits of 4 classes."""
    maps = [wave((2, c, 8, 8), 0.11 + 0.01 * i, 0.1 * i, 1) for i, c in enumerate(CHANNELS)]
    return [*maps, wave((2, 4, 8, 8), 0.23, 0.6, 1)]


def student_maps() -> list[Tensor]:
    """Five feature maps and the logits of 6 classes."""
    maps = [wave((2, c, 8, 8), 0.13 + 0.01 * i, 0.2 * i, 1) for i, c in enumerate(CHANNELS)]
    return [*maps, wave((2, 6, 8, 8), 0.19, 0.4, 1)]


def latent() -> tuple[Tensor, Tensor, Tensor]:
    """Features (2, 6, 4, 4), labels (2, 8, 8) and prototypes (6, 6)."""
    labels = torch.zeros(2, 8, 8, dtype=torch.long)
    labels[:, :4, :4] = 4
    labels[0, 4:, 4:] = 5
    return wave((2, 6, 4, 4), 0.27, 0.3).relu(), labels, wave((6, 6), 0.7, 0.2).abs()


def pixels_of(features: Tensor, labels: Tensor, channel: int) -> Tensor:
    """Feature vectors (n, D) of the pixels with a label; labels are twice as large."""
    return features.permute(0, 2, 3, 1)[labels[:, ::2, ::2] == channel]


def released_pixels(features: Tensor, labels: Tensor, channel: int) -> Tensor:
    """What a boolean mask over channels and a reshape to (D, n) make of them, as (n, D)."""
    mask = (labels[:, ::2, ::2] == channel).unsqueeze(1).expand_as(features)
    return features[mask].view(features.shape[1], -1).T
