"""Tests of the penalty of EWC, PI and RW."""

from __future__ import annotations

import pytest
import torch

from mmciss.functional import importance_penalty, normalise_importance
from tests.functional import closed_form as cf


def test_value_and_gradient() -> None:
    now = [torch.tensor([1.0, 2.0], requires_grad=True), torch.tensor(3.0, requires_grad=True)]
    loss = importance_penalty(
        now, [torch.tensor([0.0, 5.0]), torch.tensor(1.0)], [torch.tensor([2.0, 1.0]), torch.tensor(0.5)]
    )
    loss.backward()
    assert loss == 2 + 9 + 2
    assert now[0].grad.tolist() == [4, -6] and now[1].grad == 2


def test_gradient_in_float64() -> None:
    assert cf.check_gradient(
        lambda x, a, w: importance_penalty([x], [a], [w]),
        cf.wave((3, 2), 0.3, 0.0),
        cf.wave((3, 2), 0.5, 0.2),
        cf.wave((3, 2), 0.7, 0.2).abs(),
    )


def test_normalisation() -> None:
    torch.testing.assert_close(normalise_importance(torch.tensor([2.0, 4.0, 3.0])), torch.tensor([0.0, 1.0, 0.5]))
    assert not normalise_importance(torch.full((3,), 7.0)).any()


def test_lists_of_different_length() -> None:
    with pytest.raises(ValueError):
        importance_penalty([torch.zeros(1)], [], [torch.zeros(1)])
    assert importance_penalty([], [], []) == 0
