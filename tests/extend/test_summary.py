"""The numbers of the comparison, checked against sums by hand."""

from __future__ import annotations

import numpy as np
import pytest

from mmciss.extend.comparison import Comparison
from mmciss.extend.extension import extension_protocol
from mmciss.extend.summary import summarize, summarize_set

# Two old classes, one new; the last row is of pixels that are labelled as none of the labelled classes.
AFTER = np.array([[6, 1, 2], [1, 4, 1], [0, 1, 3], [2, 1, 1]])
ALL, OLD, NEW = {0, 1, 2}, {0, 1}, {2}
STEP = extension_protocol(('background', 'cat'), ['fork'], background=True)[1]


def test_what_is_left_out_is_counted() -> None:
    def found(labelled: set[int], background: bool) -> dict:
        step = extension_protocol(('background', 'cat'), ['fork'], background)[1]
        counts = Comparison(step, labelled)
        counts.after.counts += AFTER
        return summarize_set(step, counts, 'images')

    assert found(OLD, True)['open_pixels'] == 2 and found(OLD, True)['open_share'] == pytest.approx(100 * 2 / 9)
    assert found(OLD, True)['background_if_wrong'] == pytest.approx(60.0)
    for labelled, background in ((OLD, False), (ALL, True), (NEW, True)):
        rest = found(labelled, background)
        assert (rest['open_pixels'], rest['open_share'], rest['background_if_wrong']) == (0, 0.0, None)


def test_agreement() -> None:
    counts = Comparison(STEP, ALL)
    assert summarize(STEP, {'new': counts}, {'new': 'images'}, ['new'])['agreement'] is None
    counts.agreement += np.array([[1, 0, 1], [1, 1, 1]])
    found = summarize(STEP, {'new': counts}, {'new': 'images'}, ['new'])
    assert found['agreement_pixels'] == pytest.approx(40.0) and found['agreement'] == pytest.approx(100 / 3)
    assert [item['agreement'] for item in found['classes']] == [pytest.approx(100 / 3)] * 2 + [None]
