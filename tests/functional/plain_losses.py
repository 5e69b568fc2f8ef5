"""The losses on logits as their formulas read: whole maps, PyTorch's functions, gradients by autograd."""
from __future__ import annotations

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
