"""The ranking of methods by our runs beside that by published numbers."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from mmciss.evaluation.published import TITLES, PublishedResult, method_key, models_background, published

LEAST = 3
"""Of fewer things no correlation says anything."""
REFERENCE = ('voc', '15-1', 'overlapped')
"""Where most methods have a published number; for protocols that have none, or too few."""
TRUST = ('official', 'recalled', 'quoted')
FAR = 5
"""A method is out of order if its two places differ by more."""


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


def published_ranking(rows: Sequence[Mapping[str, Any]], problem: tuple[str, str, str]) -> dict[str, Any] | None:
    """Ranks methods by ``all`` and by the ``all`` that was published.

    Joint training bounds the others and is not ranked; a method with several rows counts with its first, the best.

    Args:
        rows: ``name``, ``method``, ``joint`` and ``all`` of every row, the best first.
        problem: Data set, protocol and setting of the rows. The published numbers are those of this problem or, if
            fewer than three methods have one, those of :data:`REFERENCE`, with which domains have nothing in common.

    Returns:
        ``reference``, in words; ``methods``, with ``all``, ``place``, ``published``, ``published_place``, ``source``,
        ``models_background`` and ``far`` (whether the places differ by more than :data:`FAR`) each; and by ``'all'``
        and ``'models_background'`` the ``correlation`` and ``n``, the number of methods. None if too few methods have a
        published number.
    """
    best: dict[str, Mapping[str, Any]] = {}
    for row in rows:
        if not row['joint'] and math.isfinite(row['all']):
            best.setdefault(method_key(row['method']), row)
    for place in (problem, REFERENCE)[: 1 if problem[2] == 'domain' else 2]:
        pairs = [(row, known) for row in best.values() if (known := best_published(place, row['method'])) is not None]
        if len(pairs) >= LEAST:
            break
    else:
        return None
    ours, theirs = ([row['all'] for row, _ in pairs], [known.all for _, known in pairs])
    methods = [
        {
            'name': row['name'],
            'all': row['all'],
            'place': here,
            'published': known.all,
            'published_place': there,
            'source': f'{known.source} ({known.trust})',
            'models_background': models_background(row['method']),
            'far': abs(here - there) > FAR,
        }
        for (row, known), here, there in zip(pairs, places(ours), places(theirs), strict=True)
    ]
    groups = {'all': methods, 'models_background': [item for item in methods if item['models_background']]}
    return {
        'reference': f'{TITLES[place[0]]} {place[1]}, {place[2]}',
        'methods': methods,
        'n': {name: len(group) for name, group in groups.items()},
        'correlation': {
            name: spearman([item['all'] for item in group], [item['published'] for item in group])
            for name, group in groups.items()
        },
    }


def best_published(problem: tuple[str, str, str], method: str) -> PublishedResult | None:
    """Returns the published row of a method: if possible one that counts the background; of these the most trusted."""
    rows = published(*problem, [method])
    return min(rows, key=lambda row: (row.background is not True, TRUST.index(row.trust)), default=None)
