"""Images that are held out."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from mmciss.extend.holdout import FEWEST, MOST, hold_out


@given(count=st.integers(1, 60), classes=st.integers(1, 4), share=st.floats(0, 0.9), seed=st.integers(0, 9))
def test_every_class_stays_in_training(count: int, classes: int, share: float, seed: int) -> None:
    presence = np.random.RandomState(seed).rand(count, classes) < 0.3
    train, test = hold_out(presence, share, seed)
    assert sorted([*train, *test]) == list(range(count))
    assert (presence[train].any(0) == presence.any(0)).all()
    assert len(test) <= max(1, round(share * count))
    again = hold_out(presence, share, seed)
    assert np.array_equal(again[1], test)


def test_amounts() -> None:
    assert len(hold_out(np.ones((FEWEST - 1, 1), bool))[1]) == 0
    assert len(hold_out(np.ones((50, 1), bool))[1]) == 10
    assert len(hold_out(np.ones((5000, 1), bool))[1]) == MOST
    assert len(hold_out(np.ones((50, 1), bool), 0.0)[1]) == 0
    assert not np.array_equal(hold_out(np.ones((50, 1), bool), seed=1)[1], hold_out(np.ones((50, 1), bool), seed=2)[1])
