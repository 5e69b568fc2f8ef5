"""Embeddings of old classes from the rows of a classifier alone."""

from __future__ import annotations

import torch
from torch import Tensor

MOST_ITERATIONS = 20_000


def row_prototypes(weight: Tensor, bias: Tensor, penalty: float = 1e-3) -> Tensor:
    r"""Returns for each class the embedding, no channel below 0, that a classifier of sigmoids is surest of.

    STAR (TPAMI 2025), lite: for class i it minimises

    .. math:: \sum_c \operatorname{BCE}(w_c^\top x + b_c, [c = i]) + \frac{\lambda}{2} \|x\|^2, \qquad x \ge 0.

    It is convex; projected gradients with Nesterov's momentum for strongly convex functions find the minimum. Without
    the penalty, which is ours, x has no bound where the classes can be told apart.

    Args:
        weight: Rows, shape ``(C, D)``.
        bias: Shape ``(C,)``.
        penalty: Weight lambda of the squared norm.

    Returns:
        Shape ``(C, D)``, float64, not of unit norm; 0 for a class that no embedding raises.
    """
    rows, offset = weight.double(), bias.double()
    answer = torch.eye(len(rows), dtype=torch.float64, device=rows.device)
    steepest = torch.linalg.matrix_norm(rows, 2).square() / 4 + penalty
    ratio = (penalty / steepest).sqrt()
    momentum = (1 - ratio) / (1 + ratio)
    found = ahead = torch.zeros_like(rows)
    for _ in range(MOST_ITERATIONS):
        slope = ((ahead @ rows.T + offset).sigmoid() - answer) @ rows + penalty * ahead
        last, found = found, (ahead - slope / steepest).clamp(min=0)
        ahead = found + momentum * (found - last)
        if (found - last).abs().max() <= 1e-12 * found.abs().max():
            break
    return found
