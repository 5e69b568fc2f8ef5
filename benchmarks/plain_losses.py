"""The losses as their formulas read: whole maps, loops, PyTorch's functions, gradients by autograd."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

Loss = Callable[[Tensor, Tensor, Tensor, int], Tensor]
"""A function of student logits, teacher logits, labels and the number of old channels."""


def unbiased_cross_entropy(logits: Tensor, teacher: Tensor, target: Tensor, num_old: int) -> Tensor:
    """MiB's main loss, averaged over all pixels."""
    log_p = torch.log_softmax(logits, 1)
    background = torch.logsumexp(log_p[:, :num_old], 1, keepdim=True)
    merged = torch.cat([background, log_p[:, 1:num_old] * 0, log_p[:, num_old:]], 1)
    label = torch.where((target < num_old) | (target == 255), 0, target)
    loss = -(F.one_hot(label, logits.shape[1]).permute(0, 3, 1, 2) * merged).sum(1)
    return (loss * (target != 255)).mean()


def unbiased_distillation(logits: Tensor, teacher: Tensor, target: Tensor, num_old: int) -> Tensor:
    """MiB's distillation."""
    log_p = torch.log_softmax(logits, 1)
    background = torch.logsumexp(torch.cat([log_p[:, :1], log_p[:, num_old:]], 1), 1, keepdim=True)
    merged = torch.cat([background, log_p[:, 1:num_old]], 1)
    return -(torch.softmax(teacher, 1) * merged).mean()


def label_guided_distillation(logits: Tensor, teacher: Tensor, target: Tensor, num_old: int) -> Tensor:
    """LGKD's distillation with factors of 1, averaged over valid pixels."""
    new = logits.shape[1] - num_old
    is_new, valid = ((target >= num_old) & (target != 255)).unsqueeze(1), target != 255
    p = torch.softmax(teacher, 1)
    hot = F.one_hot(torch.where(is_new[:, 0], target - num_old, 0), new).permute(0, 3, 1, 2)
    q = torch.cat([p[:, :1] * ~is_new, p[:, 1:], p[:, :1] * is_new * hot], 1)
    return -((q * torch.log_softmax(logits, 1)).sum(1) * valid).sum() / valid.sum()


def logit_distillation(logits: Tensor, teacher: Tensor, target: Tensor, num_old: int) -> Tensor:
    """LwF's distillation."""
    return -(torch.softmax(teacher, 1) * torch.log_softmax(logits[:, :num_old], 1)).mean()


def sigmoid_distillation(logits: Tensor, teacher: Tensor, target: Tensor, num_old: int) -> Tensor:
    """LwF-MC's distillation."""
    old, q = logits[:, :num_old], torch.sigmoid(teacher)
    return -(q * F.logsigmoid(old) + (1 - q) * F.logsigmoid(-old)).sum(1).mean()


def binary_cross_entropy(logits: Tensor, teacher: Tensor, target: Tensor, num_old: int) -> Tensor:
    """SSUL's main loss, averaged over valid pixels."""
    valid = target != 255
    hot = F.one_hot(target * valid, logits.shape[1]).permute(0, 3, 1, 2).to(logits)
    loss = F.binary_cross_entropy_with_logits(logits, hot, reduction='none').sum(1)
    return (loss * valid).sum() / valid.sum()


def soft_relation(logits: Tensor, teacher: Tensor, target: Tensor, num_old: int) -> Tensor:
    """The soft half of GSC's distillation."""
    seen = logits.shape[1]
    hot = F.one_hot(torch.where(target < seen, target, 0), seen).permute(0, 3, 1, 2)[:, num_old:]
    q = torch.softmax(torch.cat([torch.sigmoid(teacher), hot.to(teacher)], 1), 1)
    return -(q * torch.log_softmax(logits, 1)).mean()


def sharp_relation(logits: Tensor, teacher: Tensor, target: Tensor, num_old: int) -> Tensor:
    """The sharp half of GSC's distillation."""
    return -(torch.softmax(logits, 1) * torch.log_softmax(logits, 1)).mean()


def local_pod(
    student: list[Tensor],
    teacher: list[Tensor],
    factors: list[float],
    num_old: int,
    num_seen: int,
    scales: tuple[int, ...] = (1, 2, 4),
) -> Tensor:
    """PLOP's feature distillation, region by region."""
    total = 0
    for new, old, factor in zip(student, teacher, factors, strict=True):
        if new.shape[1] > old.shape[1]:
            background = new[:, :1] + new[:, num_old:].sum(1, keepdim=True)
            new = torch.cat([background, new[:, 1:num_old]], 1)
        strips = []
        for maps in (old**2, new**2):
            parts = []
            for scale in scales:
                height, width = maps.shape[-2] // scale, maps.shape[-1] // scale
                for row in range(0, scale * height, height):
                    for column in range(0, scale * width, width):
                        region = maps[:, :, row : row + height, column : column + width]
                        parts += [region.mean(3).flatten(1), region.mean(2).flatten(1)]
            strips.append(torch.cat(parts, 1))
        distance = torch.linalg.vector_norm(strips[0] - strips[1], dim=1).mean()
        total = total + factor * math.sqrt(num_seen / (num_seen - num_old)) * distance
    return total / len(factors)


def prototype_losses(features: Tensor, labels: Tensor, prototypes: Tensor, old: Tensor) -> tuple[Tensor, ...]:
    """SDR's matching, attraction, repulsion and sparsity, class by class.

    Args:
        features: Shape ``(N, D, h, w)``.
        labels: Channels or 255 at that size, shape ``(N, h, w)``.
        prototypes: Shape ``(C, D)``.
        old: Old foreground classes where the teacher sees them, 0 elsewhere, shape ``(N, h, w)``.
    """
    pixels = features.permute(0, 2, 3, 1)  # (N, h, w, D)
    attraction, means, scaled = [], [], []
    matching = [
        (pixels[old == k].mean(0) - prototypes[k]).square().mean()
        for k in range(1, len(prototypes))
        if (old == k).any()
    ]
    for k in range(len(prototypes)):
        mask = labels == k
        if mask.any():
            own = pixels[mask]
            means.append(own.mean(0))
            attraction.append((own - prototypes[k]).square().mean())
            scaled.append(own / own.max())
    repulsion = [
        1 / torch.linalg.vector_norm(a - b) for i, a in enumerate(means) for j, b in enumerate(means) if i != j
    ]
    sparse = torch.cat(scaled)
    sparsity = (sparse.exp().sum(1) / sparse.sum(1)).mean()
    return (torch.stack(matching).mean(), torch.stack(attraction).mean(), torch.stack(repulsion).mean(), sparsity)
