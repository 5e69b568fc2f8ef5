"""Counting what two models say, checked against sums by hand."""
from __future__ import annotations

import numpy as np
import pytest

from mmciss.extend.comparison import Comparison, agreement_iou, class_iou, new_class_iou
from mmciss.models.labelers.teacher_labeler import UNLABELLED

U = UNLABELLED


@pytest.fixture
def counts() -> Comparison:
    """Two old classes, one new: eight pixels."""
    found = Comparison.empty(2, 1)
    label = np.array([[0, 0, 1, 1], [2, 2, U, 255]])
    before = np.array([[0, 1, 1, 1], [0, 1, 0, 0]])
    after = np.array([[0, 0, 1, 2], [2, 1, 2, 1]])
    found.add(label, before, after)
    return found


def test_tables(counts: Comparison) -> None:
    assert counts.before.tolist() == [[1, 1], [0, 2], [1, 1], [1, 0]]
    assert counts.after.tolist() == [[2, 0, 0], [0, 1, 1], [0, 1, 1], [0, 0, 1]]
    # Pixels labelled new, and ignored ones, say nothing about forgetting.
    assert counts.agreement.tolist() == [[1, 0, 1], [1, 1, 1]] and counts.num_images == 1


def test_scores(counts: Comparison) -> None:
    assert class_iou(counts.after)[:2] == [pytest.approx(100.0), pytest.approx(100 / 3)]
    assert class_iou(counts.before) == [pytest.approx(100 / 3), pytest.approx(100 * 2 / 4)]
    # One hit of two true pixels; claimed wrongly once on an old class and once on a pixel without label.
    assert new_class_iou(counts.after, 2) == [pytest.approx(25.0)]
    same, ious = agreement_iou(counts.agreement)
    assert same == pytest.approx(40.0) and ious == [pytest.approx(100 / 3), pytest.approx(100 / 3)]


def test_sums_and_absent_classes(counts: Comparison) -> None:
    twice = counts + counts
    assert twice.num_images == 2 and (twice.after == 2 * counts.after).all()
    empty = Comparison.empty(2, 1)
    assert class_iou(empty.after) == [None] * 3 and new_class_iou(empty.after, 2) == [None]
    assert agreement_iou(empty.agreement) == (None, [None, None])
