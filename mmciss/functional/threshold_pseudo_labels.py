"""Pseudo labels from a teacher, kept where its sigmoid score is high."""

from __future__ import annotations

import torch
from torch import Tensor

from .channel_argmax import channel_argmax
from .precision import at_least_float32


def threshold_pseudo_labels(
    target: Tensor, teacher_logits: Tensor, threshold: float = 0.7, num_background: int = 1
) -> Tensor:
    """Completes labels by SSUL's rule (NeurIPS 2021, arXiv 2106.11562).

    A pixel without a class label becomes the channel ``c`` of the teacher's largest score where
    ``c`` is a class and ``sigmoid(score) >= threshold``; every other label stays.

    Args:
        target: Channels or the label of ignored pixels, shape ``(N, H, W)``.
        teacher_logits: Teacher scores at the size of ``target``, shape ``(N, C_old, H, W)``.
        threshold: Smallest accepted probability.
        num_background: Number of leading channels that are no classes: 1 for a background, 2 where
            an unknown channel stands before it.

    Returns:
        New labels, shape ``(N, H, W)``.
    """
    scores = at_least_float32(teacher_logits)
    score, predicted = scores.amax(1), channel_argmax(scores)
    accepted = (torch.sigmoid(score) >= threshold) & (predicted >= num_background)
    return torch.where(accepted & (target < num_background), predicted, target)
