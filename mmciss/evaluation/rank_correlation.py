"""Whether two measurements rank the same things alike."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

LEAST = 3
"""Of fewer things no correlation says anything."""


def ranks(values: Sequence[float] | np.ndarray) -> np.ndarray:
    """Returns ranks from 1 on, the largest value first; equal values share the mean of theirs.

    Examples:
        >>> ranks([20.0, 30.0, 10.0, 20.0]).tolist()
        [2.5, 1.0, 4.0, 2.5]
    """
    _, inverse, counts = np.unique(-np.asarray(values, np.float64), return_inverse=True, return_counts=True)
    return np.asarray((np.cumsum(counts) - (counts - 1) / 2)[inverse])


def places(values: Sequence[float] | np.ndarray) -> list[int]:
    """Returns the place of every value, 1 for the largest; equal values share the better place.

    Examples:
        >>> places([20.0, 30.0, 10.0, 20.0])
        [2, 1, 4, 2]
    """
    return [1 + sum(other > value for other in values) for value in values]


def spearman(first: Sequence[float] | np.ndarray, second: Sequence[float] | np.ndarray) -> float:
    """Returns Spearman's rank correlation, Pearson's of the ranks, from -1 (opposite) to 1 (the same order).

    Args:
        first: (N,) one value per thing.
        second: (N,) other values of the same things.

    Returns:
        NaN of fewer than :data:`LEAST` things, or if all values of one kind are equal.
    """
    pair = np.stack([ranks(first), ranks(second)])
    if pair.shape[1] < LEAST or (np.ptp(pair, axis=1) == 0).any():
        return float('nan')
    return float(np.corrcoef(pair)[0, 1])
