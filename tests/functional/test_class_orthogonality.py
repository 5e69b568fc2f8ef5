"""Tests of the orthogonality of new classes."""

from __future__ import annotations

import pytest
import torch

from mmciss.functional import class_orthogonality


def test_two_new_classes_by_hand() -> None:
    """Cosines with old, new: 0.6, 0.8 for the first and 0, 0.8 for the second; their sign does not count."""
    vectors = torch.tensor([[2.0, 0.0], [-0.6, 0.8], [0.0, 5.0]], dtype=torch.float64)
    assert float(class_orthogonality(vectors, 1)) == pytest.approx((0.6 + 0.8 + 0 + 0.8) / 4)


def test_old_vectors_get_no_gradient() -> None:
    vectors = torch.randn(4, 3, generator=torch.Generator().manual_seed(0)).requires_grad_()
    class_orthogonality(vectors, 2).backward()
    assert vectors.grad[:2].eq(0).all() and vectors.grad[2:].ne(0).any(1).all()


def test_a_step_down_the_gradient_lowers_it() -> None:
    vectors = torch.randn(4, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0)).requires_grad_()
    loss = class_orthogonality(vectors, 2)
    loss.backward()
    assert class_orthogonality(vectors - 1e-3 * vectors.grad, 2) < loss


def test_nothing_to_compare() -> None:
    assert class_orthogonality(torch.ones(3, 2), 3) == 0 and class_orthogonality(torch.ones(1, 2), 0) == 0
