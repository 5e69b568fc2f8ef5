"""Pseudo labels from a teacher, kept where its entropy is low."""
from __future__ import annotations

import math

import torch
from torch import Tensor

from .precision import at_least_float32


def normalised_entropy(teacher_logits: Tensor, num_seen: int) -> tuple[Tensor, Tensor]:
    r"""Returns how uncertain a teacher is and what it predicts, pixel by pixel.

    With ``q = softmax(teacher_logits)`` over ``C_old`` channels and C channels in all:

    .. math:: v = -\frac{1}{C_{old} \ln C_{old} \ln C} \sum_c q_c \ln(q_c + 10^{-8})

    PLOP normalises twice, by ``C_old ln C_old`` and by ``ln C``; since thresholds are quantiles of
    the same quantity this changes nothing but their scale and their floor.

    Args:
        teacher_logits: Shape ``(N, C_old, H, W)``.
        num_seen: Number C of all channels.

    Returns:
        ``v`` in ``[0, 1 / (C_old ln C)]`` and the predicted channels, both ``(N, H, W)``.
    """
    q = torch.softmax(at_least_float32(teacher_logits), 1)
    num_old = q.shape[1]
    # A teacher with one channel has entropy 0; its ln 1 must not divide.
    scale = num_old * max(math.log(num_old), 1e-8) * max(math.log(num_seen), 1e-8)
    return -(q * torch.log(q + 1e-8)).sum(1) / scale, q.argmax(1)


def entropy_pseudo_labels(target: Tensor,
                          teacher_logits: Tensor,
                          thresholds: Tensor,
                          num_old: int,
                          num_seen: int,
                          ignore_index: int = 255,
                          minimum_factor: float = 0.0,
                          compat: bool = False) -> tuple[Tensor, Tensor]:
    r"""Completes labels by PLOP's rule (CVPR 2021, arXiv 2011.11390).

    A pixel labelled with an old channel (background, under labels that hide old classes) becomes
    the teacher's prediction ``c`` where the teacher's entropy ``v < thresholds[c]``, and
    ``ignore_index`` elsewhere. The factor of an image, ``nu``, is the fraction of those pixels that
    got a label; the cross-entropy of the image is multiplied by it.

    Args:
        target: Channels or ``ignore_index``, shape ``(N, H, W)``.
        teacher_logits: Teacher scores at the size of ``target``, shape ``(N, C_old, H, W)``.
            Log-probabilities are scores too.
        thresholds: Largest entropy accepted per predicted channel, shape ``(C,)`` with
            ``C >= C_old``.
        num_old: Number of old channels, background included.
        num_seen: Number of all channels, background included.
        ignore_index: Label of ignored pixels; they stay ignored.
        minimum_factor: Lower bound of ``nu``.
        compat: The release gives an image without any background pixel the factor 0 (it computes
            ``0 / (0 + 1e-6)``), which throws away the image's labels; the default gives 1.

    Returns:
        New labels ``(N, H, W)`` and factors ``(N,)``.
    """
    entropy, predicted = normalised_entropy(teacher_logits, num_seen)
    background = (target < num_old) & (target != ignore_index)
    accepted = background & (entropy < thresholds.to(entropy)[predicted])
    labels = torch.where(background, predicted.masked_fill(~accepted, ignore_index), target)
    count = background.flatten(1).sum(1)
    factor = accepted.flatten(1).sum(1) / (count + 1e-6)
    if not compat:
        factor = factor.masked_fill(count == 0, 1.0)
    return labels, factor.clamp(min=minimum_factor)
