"""Vectors of new classes that stay apart from those of all others."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from .numerics import at_least_float32


def class_orthogonality(vectors: Tensor, num_old: int) -> Tensor:
    """Computes the mean absolute cosine of each new class's vector with those of all other classes (MBS, ECCV 2024).

    A gradient reaches a vector only where it is the new one of the pair, so old vectors get none.

    Args:
        vectors: One per class, shape ``(C, D)``, old classes first.
        num_old: Number of old classes.

    Returns:
        A scalar; 0 without new classes or with one class.

    Examples:
        >>> class_orthogonality(torch.tensor([[2.0, 0.0], [3.0, 4.0]]), 1)
        tensor(0.6000)
    """
    unit = F.normalize(at_least_float32(vectors), dim=1)
    cosines = (unit[num_old:] @ unit.detach().T).abs()
    own = torch.eye(len(unit), dtype=torch.bool, device=unit.device)[num_old:]
    return cosines.masked_fill(own, 0).sum() / max(1, len(cosines) * (len(unit) - 1))
