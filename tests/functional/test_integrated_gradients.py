"""Tests of attribution by integrated gradients."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from mmciss.functional import integrated_gradients


def cubic(x: Tensor) -> Tensor:
    return (x**3).sum(1) + x[:, 0] * x[:, 1]


def test_one_step_is_exact_for_a_linear_function() -> None:
    weight = torch.tensor([1.0, -2.0, 3.0])
    x, x0 = torch.randn(4, 3), torch.randn(1, 3)
    found = integrated_gradients(lambda point: point @ weight, x, x0, steps=1)
    torch.testing.assert_close(found, (x - x0) * weight)


def test_attributions_add_up_and_equal_the_package() -> None:
    torch.manual_seed(0)
    x, x0 = torch.randn(4, 3).double(), torch.randn(1, 3).double()
    found = integrated_gradients(cubic, x, x0, steps=400)
    torch.testing.assert_close(found.sum(1), cubic(x) - cubic(x0), rtol=1e-4, atol=1e-4)
    attr = pytest.importorskip('captum.attr', reason='captum is not installed')
    expected = attr.IntegratedGradients(cubic).attribute(x, x0.expand_as(x), n_steps=50)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)


def test_works_where_gradients_are_off_and_leaves_inputs_alone() -> None:
    x = torch.randn(2, 3, requires_grad=True)
    with torch.no_grad():
        found = integrated_gradients(cubic, x, torch.zeros(1, 3), steps=8)
    assert not found.requires_grad and x.grad is None


def test_steps_must_be_positive() -> None:
    with pytest.raises(ValueError, match='steps: 0'):
        integrated_gradients(cubic, torch.ones(1, 3), torch.zeros(1, 3), steps=0)
