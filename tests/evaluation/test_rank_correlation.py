"""Tests of mmciss.evaluation.published_ranking."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import rankdata, spearmanr

from mmciss.evaluation.published_ranking import places, ranks, spearman

PAIRS = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=3, max_size=12)


@given(pairs=PAIRS)
def test_scipy_finds_the_same_with_and_without_ties(pairs: list[tuple[int, int]]) -> None:
    first, second = np.array(pairs, np.float64).T
    assert ranks(first).tolist() == rankdata(-first).tolist()
    assert places(first) == rankdata(-first, 'min').tolist()
    if np.ptp(first) and np.ptp(second):
        assert spearman(first, second) == pytest.approx(spearmanr(first, second).statistic)
    else:
        assert math.isnan(spearman(first, second))


def test_golden_values() -> None:
    assert spearman([1, 2, 3, 4, 5], [5, 6, 7, 8, 7]) == pytest.approx(0.8207826816681233)
    assert spearman([3, 1, 2], [30, 10, 20]) == pytest.approx(1)
    assert spearman([3, 1, 2], [-30, -10, -20]) == pytest.approx(-1)


def test_two_things_have_no_correlation() -> None:
    assert math.isnan(spearman([1, 2], [1, 2])) and math.isnan(spearman([], []))
