"""Tests of PI's importance."""

from __future__ import annotations

import torch

from mmciss.functional import accumulate_path, path_importance


def test_path_integral_is_the_loss_saved() -> None:
    """Small steps down a quadratic: the integral is the loss at the start minus that at the end."""
    curvature = torch.tensor([1.0, 4.0], dtype=torch.float64)
    start = x = torch.tensor([1.0, -2.0], dtype=torch.float64)
    path = torch.zeros_like(x)
    for _ in range(1000):
        after = x - 1e-4 * curvature * x
        path, x = accumulate_path(path, curvature * x, x, after), after
    saved = 0.5 * curvature * (start**2 - x**2)
    torch.testing.assert_close(path, saved, rtol=1e-3, atol=0)
    importance = path_importance(path, x, start, previous=torch.ones(2))
    torch.testing.assert_close(importance, path / (x - start) ** 2 + 1)


def test_importance_is_never_negative() -> None:
    path = torch.tensor([-1.0, 0.0])
    assert not path_importance(path, torch.ones(2), torch.zeros(2)).any()
    assert torch.isfinite(path_importance(torch.ones(2), torch.ones(2), torch.ones(2))).all()
