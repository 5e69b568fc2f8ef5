"""The outlines of the twenty shapes."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmciss.datasets.shape_outlines import COSINE, ONE, OUTLINES, SINE, TURN, fill, place


def test_twenty_outlines_within_bounds() -> None:
    assert len(OUTLINES) == 20
    for contours in OUTLINES.values():
        points = np.concatenate([np.array(c) for c in contours])
        assert np.abs(points).max() <= 100 and np.abs(points).max() >= 80


def test_tables_are_far_from_rounding_either_way() -> None:
    # So no machine's cosine, off by a unit in the last place, rounds differently.
    for k in range(TURN):
        for value, function in ((COSINE[k], math.cos), (SINE[k], math.sin)):
            exact = ONE * function(2 * math.pi * k / TURN)
            assert abs(exact - value) < 0.499


def test_square_is_exact() -> None:
    square = place((((-100, -100), (100, -100), (100, 100), (-100, 100)),), (16 * 8, 16 * 8), (16 * 3, 16 * 3), 0)
    filled = fill(square, 16)
    wanted = np.zeros((16, 16), bool)
    wanted[5:11, 5:11] = True
    assert np.array_equal(filled, wanted)


@given(st.sampled_from(sorted(OUTLINES)), st.integers(0, TURN - 1), st.integers(20, 40))
def test_area_is_that_of_the_polygon_at_any_tilt(name: str, turn: int, radius: int) -> None:
    contours = OUTLINES[name]
    area = 0.0
    for k, contour in enumerate(contours):
        points = np.array(contour, dtype=float)
        x, y = points[:, 0], points[:, 1]
        shoelace = abs(np.sum(x * np.roll(y, -1) - y * np.roll(x, -1))) / 2
        area += shoelace if k == 0 else -shoelace
    filled = fill(place(contours, (64 * 16, 64 * 16), (radius * 16, radius * 16), turn), 128)
    assert filled.sum() == pytest.approx(area * (radius / 100) ** 2, rel=0.06)


def test_ring_has_a_hole() -> None:
    filled = fill(place(OUTLINES['ring'], (512, 512), (400, 400), 0), 64)
    assert not filled[32, 32] and filled[32, 32 + 19]


@given(st.integers(-60, 120), st.integers(-60, 120))
def test_partly_outside_is_the_same_cut_off(x: int, y: int) -> None:
    placed = place(OUTLINES['star'], (x * 16, y * 16), (300, 300), 3)
    moved = place(OUTLINES['star'], ((x + 64) * 16, (y + 64) * 16), (300, 300), 3)
    assert np.array_equal(fill(placed, 64), fill(moved, 192)[64:128, 64:128])
