"""What two models say, counted and summed up, checked against sums by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from mmciss.evaluation.before_after import BeforeAfter, summarize, summarize_set
from mmciss.extend.extension import extension_protocol
from mmciss.protocols.labels import UNKNOWN

# Two old classes, one new; the last row is of pixels that are labelled as none of the labelled classes.
AFTER = np.array([[6, 1, 2], [1, 4, 1], [0, 1, 3], [2, 1, 1]])
ALL, OLD, NEW = {0, 1, 2}, {0, 1}, {2}
STEP = extension_protocol(('background', 'cat'), ['fork'], background=True)[1]


def test_what_is_left_out_is_counted() -> None:
    def found(labelled: set[int], background: bool) -> dict:
        step = extension_protocol(('background', 'cat'), ['fork'], background)[1]
        counts = BeforeAfter(step, labelled, 'images')
        counts.after.counts += AFTER
        return summarize_set(step, counts)

    assert found(OLD, True)['open_pixels'] == 2 and found(OLD, True)['open_share'] == pytest.approx(100 * 2 / 9)
    assert found(OLD, True)['background_if_wrong'] == pytest.approx(60.0)
    for labelled, background in ((OLD, False), (ALL, True), (NEW, True)):
        rest = found(labelled, background)
        assert (rest['open_pixels'], rest['open_share'], rest['background_if_wrong']) == (0, 0.0, None)


def test_agreement() -> None:
    counts = BeforeAfter(STEP, ALL, 'images')
    assert summarize(STEP, {'new': counts}, ['new'])['agreement'] is None
    counts.agreement += np.array([[1, 0, 1], [1, 1, 1]])
    found = summarize(STEP, {'new': counts}, ['new'])
    assert found['agreement_pixels'] == pytest.approx(40.0) and found['agreement'] == pytest.approx(100 / 3)
    assert [item['agreement'] for item in found['classes']] == [pytest.approx(100 / 3)] * 2 + [None]


U = UNKNOWN
LABEL = torch.tensor([[0, 0, 1, 1], [2, 2, U, 255]])
SAYS_BEFORE = torch.tensor([[0, 1, 1, 1], [0, 1, 0, 0]])
SAYS_AFTER = torch.tensor([[0, 2, 1, 2], [2, 1, 2, 1]])


def counted(labelled: set[int], background: bool = True) -> BeforeAfter:
    """Two old classes, one new: eight pixels."""
    found = BeforeAfter(extension_protocol(('background', 'cat'), ['fork'], background)[1], labelled, 'images')
    found.add(LABEL, SAYS_BEFORE, SAYS_AFTER)
    return found


def test_tables() -> None:
    counts = counted({0, 1, 2})
    assert counts.before.counts.tolist() == [[1, 1], [0, 2], [1, 1], [1, 0]]
    assert counts.after.counts.tolist() == [[1, 0, 1], [0, 1, 1], [0, 1, 1], [0, 0, 1]] and counts.num_images == 1


def test_agreement_is_counted_where_the_labels_rule_new_classes_out() -> None:
    # Pixels labelled new, and ignored ones, say nothing about forgetting.
    assert counted({0, 1, 2}).agreement.tolist() == [[1, 0, 1], [0, 1, 2]]
    # Labelled 'background' or nothing by those who did not label the new class, a pixel may show it.
    assert counted({0, 1}).agreement.tolist() == [[1, 0, 0], [0, 1, 1]]
    # Without a background class, class 0 is a class as any other.
    assert counted({0, 1}, background=False).agreement.tolist() == [[1, 0, 0], [0, 1, 2]]
