"""The embeddings that a classifier of sigmoids is surest of."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F

from mmciss.functional import row_prototypes


@pytest.mark.parametrize(('classes', 'width', 'penalty'), [(3, 4, 1e-3), (20, 64, 1e-3), (5, 8, 0.1)])
def test_the_gradient_is_zero_inside_and_points_out_at_the_bound(classes: int, width: int, penalty: float) -> None:
    generator = torch.Generator().manual_seed(classes)
    weight = torch.randn(classes, width, generator=generator, dtype=torch.float64)
    bias = torch.randn(classes, generator=generator, dtype=torch.float64) - 2
    found = row_prototypes(weight, bias, penalty).requires_grad_()
    loss = F.binary_cross_entropy_with_logits(found @ weight.T + bias, torch.eye(classes).double(), reduction='sum')
    (slope,) = torch.autograd.grad(loss + penalty / 2 * found.square().sum(), found)
    inside = found > 0
    assert (found >= 0).all() and inside.any() and not inside.all()
    assert slope[inside].abs().max() < 1e-8 and slope[~inside].min() > -1e-8


def test_one_channel_by_hand() -> None:
    found = row_prototypes(torch.tensor([[2.0]]), torch.tensor([-1.0]), 0.5).item()
    assert math.isclose(2 / (1 + math.exp(2 * found - 1)), 0.5 * found, rel_tol=1e-9)
    assert row_prototypes(torch.tensor([[-2.0]]), torch.tensor([0.0])).item() == 0, 'nothing raises it'
