"""Tests of importance scores."""

from __future__ import annotations

import torch

from mmciss.functional import (
    accumulate_path,
    accumulate_walk,
    finish_walk,
    normalise_importance,
    path_importance,
    update_fisher,
)


def test_normalisation() -> None:
    torch.testing.assert_close(normalise_importance(torch.tensor([2.0, 4.0, 3.0])), torch.tensor([0.0, 1.0, 0.5]))
    assert not normalise_importance(torch.full((3,), 7.0)).any()


def test_running_square() -> None:
    fisher, gradient = torch.ones(2), torch.tensor([2.0, -1.0])
    torch.testing.assert_close(update_fisher(fisher, gradient), torch.tensor([3.7, 1.0]))
    for _ in range(30):
        fisher = update_fisher(fisher, gradient)
    torch.testing.assert_close(fisher, gradient**2)


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


def test_score_of_one_stretch() -> None:
    score = accumulate_walk(
        torch.tensor([1.0]), torch.tensor([3.0]), torch.tensor([2.0]), torch.tensor([1.0]), torch.tensor([4.0])
    )
    torch.testing.assert_close(score, torch.tensor([1 + 3 / 2]))


def test_parameter_that_stood_still() -> None:
    still = torch.ones(2)
    assert not accumulate_walk(torch.zeros(2), still, still, still, torch.zeros(2)).any()


def test_finish() -> None:
    score = torch.tensor([-1.0, 4.0])
    assert finish_walk(score).tolist() == [0, 4]
    assert finish_walk(score, torch.tensor([2.0, 2.0])).tolist() == [1, 3]
