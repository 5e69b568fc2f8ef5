"""Tests of what the benchmarks share."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks import timing


def test_sides_take_turns_and_ratios_are_taken_round_by_round() -> None:
    calls = []
    times = timing.alternate({name: lambda name=name: calls.append(name) for name in 'ab'}, rounds=3, warm_up=1)
    assert ''.join(calls) == 'baabbaab'
    assert [len(values) for values in times.values()] == [3, 3]
    assert timing.ratio({'a': [1.0, 10.0, 3.0], 'b': [2.0, 5.0, 3.0]}, 'a', 'b') == 1
    assert timing.median_ms({'a': [1.0, 10.0, 3.0]}, 'a') == 3000


@pytest.mark.parametrize('mebibytes', [40, 160])
def test_peak_memory(mebibytes: int) -> None:
    peak = timing.peak_memory(lambda: np.ones(mebibytes * 2**17).sum())
    assert 0.9 * mebibytes <= peak / 2**20 <= mebibytes + 20
