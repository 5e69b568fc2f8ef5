"""IoU of the classes that a test set labels, checked against sums by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from mmseg.evaluation import IoUMetric

from mmciss.extend.comparison import Comparison
from mmciss.extend.extension import extension_protocol
from mmciss.extend.summary import agreement_iou, class_iou, plain_mean, summarize_set

# Two old classes, one new; the last row is of pixels that are labelled as none of the labelled classes.
AFTER = np.array([[6, 1, 2], [1, 4, 1], [0, 1, 3], [2, 1, 1]])
ALL, OLD, NEW = {0, 1, 2}, {0, 1}, {2}


def test_all_classes_labelled() -> None:
    assert class_iou(AFTER, ALL, background=False) == pytest.approx([100 * 6 / 12, 100 * 4 / 9, 100 * 3 / 8])
    # A pixel of none of the labelled classes is rightly called background.
    assert class_iou(AFTER, ALL, background=True)[0] == pytest.approx(100 * 6 / 10)


def test_old_classes_labelled() -> None:
    found = class_iou(AFTER, OLD, background=True)
    # Two pixels labelled background are called new: they may be.
    assert found[:2] == pytest.approx([100 * 6 / 8, 100 * 4 / 9]) and np.isnan(found[2])
    assert class_iou(AFTER, OLD, background=False)[0] == pytest.approx(100 * 6 / 12)


def test_new_classes_labelled() -> None:
    assert class_iou(AFTER, NEW, background=True) == pytest.approx([np.nan, np.nan, 100 * 3 / 8], nan_ok=True)


def test_the_old_model_does_not_know_the_new_class() -> None:
    # Its pixels are mistakes of the classes that it names instead.
    assert class_iou(AFTER[:, :2], ALL, background=True) == pytest.approx([100 * 6 / 8, 100 * 4 / 8])


def test_classes_that_no_pixel_shows() -> None:
    assert np.isnan(class_iou(np.zeros((4, 3), np.int64), ALL, background=True)).all()
    same, ious = agreement_iou(np.zeros((2, 3), np.int64))
    assert np.isnan(same) and np.isnan(ious).all() and len(ious) == 2


def test_what_is_left_out_is_counted() -> None:
    def found(labelled: set[int], background: bool) -> dict:
        counts = Comparison(2, 1, labelled, background)
        counts.after += AFTER
        step = extension_protocol(('background', 'cat'), ['fork'], background)[1]
        return summarize_set(step, counts, 'images')

    assert found(OLD, True)['open_pixels'] == 2 and found(OLD, True)['open_share'] == pytest.approx(100 * 2 / 9)
    assert found(OLD, True)['background_if_wrong'] == pytest.approx(60.0)
    for labelled, background in ((OLD, False), (ALL, True), (NEW, True)):
        rest = found(labelled, background)
        assert (rest['open_pixels'], rest['open_share'], rest['background_if_wrong']) == (0, 0.0, None)


def test_agreement() -> None:
    same, ious = agreement_iou(np.array([[1, 0, 1], [1, 1, 1]]))
    assert same == pytest.approx(40.0) and ious == pytest.approx([100 / 3, 100 / 3])


def test_the_mean_of_mmsegmentation() -> None:
    pairs = [
        (label, found) for label, row in enumerate(AFTER[:3]) for found, count in enumerate(row) for _ in range(count)
    ]
    label, found = (torch.tensor(side) for side in zip(*pairs, strict=True))
    for ghosts, table in ((0, AFTER[:3]), (1, np.pad(AFTER[:3], ((0, 1), (0, 1))))):
        areas = IoUMetric.intersect_and_union(found, label, 3 + ghosts, 255)
        expected = IoUMetric.total_area_to_metrics(*areas)['IoU']
        mine = plain_mean(np.vstack([table, np.zeros_like(table[:1])]), range(3 + ghosts))
        assert mine == pytest.approx(100 * float(np.nanmean(expected)), rel=1e-5)
    missing = np.array([[6, 0, 2], [1, 3, 0], [0, 0, 0], [0, 0, 0]])
    assert plain_mean(missing, {0, 1, 2}) == pytest.approx(100 * (6 / 9 + 3 / 4 + 0) / 3), 'predicted, and never true'
    assert plain_mean(missing, {0, 1}) == pytest.approx(100 * (6 / 9 + 3 / 4) / 2)
