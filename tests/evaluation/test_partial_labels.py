"""IoU of the classes that a test set labels, checked against sums by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from mmseg.evaluation import IoUMetric

from mmciss.evaluation.before_after import PartialConfusion, iou_percent

# Two old classes, one new; the last row is of pixels that are labelled as none of the labelled classes.
AFTER = np.array([[6, 1, 2], [1, 4, 1], [0, 1, 3], [2, 1, 1]])
ALL, OLD, NEW = {0, 1, 2}, {0, 1}, {2}


def class_iou(counts: np.ndarray, labelled: set[int], background: bool) -> np.ndarray:
    return PartialConfusion(counts, labelled, background).iou()


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
    assert np.isnan(iou_percent(np.zeros((2, 3), np.int64))).all()


def test_classes_that_one_side_does_not_know() -> None:
    assert iou_percent(np.array([[1, 0, 1], [1, 1, 1]])) == pytest.approx([100 / 3, 100 / 3, np.nan], nan_ok=True)


def test_images_are_added() -> None:
    found = PartialConfusion(np.zeros((4, 2), np.int64), ALL, background=True)
    for _ in range(2):
        found.add(torch.tensor([0, 1, 1, 0]), torch.tensor([0, 2, 3, 255]))
    assert found.counts.tolist() == [[2, 0], [0, 0], [0, 2], [0, 2]]


def test_the_mean_of_mmsegmentation() -> None:
    def mean(counts: np.ndarray, labelled: set[int]) -> float:
        return PartialConfusion(counts, labelled, background=True).mmseg_mean()

    pairs = [
        (label, found) for label, row in enumerate(AFTER[:3]) for found, count in enumerate(row) for _ in range(count)
    ]
    label, found = (torch.tensor(side) for side in zip(*pairs, strict=True))
    for ghosts, table in ((0, AFTER[:3]), (1, np.pad(AFTER[:3], ((0, 1), (0, 1))))):
        areas = IoUMetric.intersect_and_union(found, label, 3 + ghosts, 255)
        expected = IoUMetric.total_area_to_metrics(*areas)['IoU']
        mine = mean(np.vstack([table, np.zeros_like(table[:1])]), set(range(3 + ghosts)))
        assert mine == pytest.approx(100 * float(np.nanmean(expected)), rel=1e-5)
    missing = np.array([[6, 0, 2], [1, 3, 0], [0, 0, 0], [0, 0, 0]])
    assert mean(missing, {0, 1, 2}) == pytest.approx(100 * (6 / 9 + 3 / 4 + 0) / 3), 'predicted, and never true'
    assert mean(missing, {0, 1}) == pytest.approx(100 * (6 / 9 + 3 / 4) / 2)
