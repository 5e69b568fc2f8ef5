"""An index that knows its place in the sampling stream."""

from __future__ import annotations

import pickle

import numpy as np

from mmciss.datasets.samplers.drawn_index import DrawnIndex


def test_is_an_ordinary_index() -> None:
    drawn = DrawnIndex(2, seed=5, draw=40)
    assert isinstance(drawn, int) and drawn == 2 and hash(drawn) == hash(2)
    assert ['a', 'b', 'c'][drawn] == 'c' and np.arange(3)[drawn] == 2


def test_survives_the_way_to_a_worker() -> None:
    drawn = pickle.loads(pickle.dumps([DrawnIndex(2, seed=5, draw=40)]))[0]
    assert (drawn, drawn.seed, drawn.draw) == (2, 5, 40) and type(drawn) is DrawnIndex


def test_at_keeps_the_draw() -> None:
    other = DrawnIndex(2, seed=5, draw=40).at(9)
    assert (other, other.seed, other.draw) == (9, 5, 40)
