"""Comparing choices that were made from numbers of different computations."""

from __future__ import annotations

from torch import Tensor


def assert_same_choice(found: Tensor, expected: Tensor, scores: Tensor, tolerance: float) -> None:
    """Two masks choose the same channels, except for channels whose scores are no further from the cut than rounding.

    Args:
        found: Boolean mask, shape ``(..., D)``.
        expected: The other mask; both choose equally many in each row.
        scores: What ``expected`` was chosen by, same shape.
        tolerance: How far the two computations of the scores may be apart.
    """
    assert found.sum(-1).tolist() == expected.sum(-1).tolist()
    cut = scores.masked_fill(~expected, float('inf')).amin(-1, keepdim=True)
    assert not ((found != expected) & ((scores - cut).abs() > 2 * tolerance)).any()
