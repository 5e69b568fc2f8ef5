"""Pseudo labels from a teacher, corrected by distances to class prototypes."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from .channel_argmax import channel_argmax
from .precision import at_least_float32


def prototype_relabel(
    target: Tensor,
    teacher_logits: Tensor,
    teacher_features: Tensor,
    prototypes: Tensor,
    num_old: int,
    temperature: float = 1.0,
    ignore_index: int = 255,
) -> Tensor:
    r"""Computes the prototypical pseudo re-labelling of GSC (arXiv 2307.10822).

    .. math:: \omega_c = \operatorname{softmax}_c(-\tau \| \hat f - \eta_c \|_2), \qquad
              \hat y = \arg\max_c\, \omega_c \operatorname{softmax}(\hat z)_c

    replaces the labels of old channels (the background, under labels that hide old classes).

    Certain from the abstract: background pixels get pseudo labels of old classes from distances to
    prototypes. The formula comes from related code of the same authors; the paper's equations could
    not be checked.

    Args:
        target: Channels or ``ignore_index``, shape ``(N, H, W)``.
        teacher_logits: Teacher scores at the size of ``target``, shape ``(N, C_old, H, W)``.
        teacher_features: Teacher features, shape ``(N, D, h, w)``.
        prototypes: Mean teacher features of the old channels, shape ``(C_old, D)``.
        num_old: Number of old channels, background included.
        temperature: Factor tau on the distances.
        ignore_index: Label of ignored pixels; they stay ignored.

    Returns:
        New labels, shape ``(N, H, W)``.
    """
    scores = rectified_log_probabilities(teacher_logits, teacher_features, prototypes[:num_old], temperature)
    background = (target < num_old) & (target != ignore_index)
    return torch.where(background, channel_argmax(scores), target)


def rectified_log_probabilities(
    teacher_logits: Tensor, teacher_features: Tensor, prototypes: Tensor, temperature: float = 1.0
) -> Tensor:
    """Returns ``log(omega * softmax(teacher_logits))``, normalised, shape ``(N, C_old, H, W)``.

    It can take the place of teacher logits, for example in
    :func:`~mmciss.functional.entropy_pseudo_labels.entropy_pseudo_labels`. Distances are measured
    at the resolution of the features and upsampled, which is the same as upsampling features up to
    the interpolation of a norm, at a small part of the memory. A class whose prototype is NaN, that
    of no pixel, has no distance to compare and gets probability 0.
    """
    vectors = at_least_float32(teacher_features).flatten(2).transpose(1, 2)
    absent = prototypes.isnan().any(1).to(vectors.device)
    distance = torch.cdist(vectors, at_least_float32(prototypes).to(vectors).nan_to_num())
    distance = distance.transpose(1, 2).unflatten(2, teacher_features.shape[-2:])
    if distance.shape[-2:] != teacher_logits.shape[-2:]:
        distance = F.interpolate(distance, teacher_logits.shape[-2:], mode='bilinear')
    scores = at_least_float32(teacher_logits) - temperature * distance
    if not absent.all():
        # Not minus infinity, which no interpolation survives.
        scores = scores.masked_fill(absent.view(1, -1, 1, 1), -1e30)
    return torch.log_softmax(scores, 1)
