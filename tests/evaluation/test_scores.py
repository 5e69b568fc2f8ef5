"""Tests of mmciss.evaluation.scores."""

from __future__ import annotations

import math

import numpy as np
import pytest

from mmciss.evaluation.scores import scalars, step_scores

CONFUSION = np.array([[90, 10, 0, 0], [0, 30, 10, 0], [0, 0, 20, 0], [0, 0, 0, 0]])
IOU = [90.0, 60.0, 100 * 20 / 30]


def test_golden_scores() -> None:
    got = step_scores(CONFUSION, (2, 1, 1), step=2)
    assert got['old'] == pytest.approx((IOU[0] + IOU[1]) / 2)
    assert got['new'] == pytest.approx(IOU[2])
    assert got['all'] == pytest.approx(sum(IOU) / 3)
    assert got['old_no_background'] == pytest.approx(60)
    assert got['all_no_background'] == pytest.approx((IOU[1] + IOU[2]) / 2)
    assert got['before'] == got['all'] and math.isnan(got['current'])  # The current class is absent.
    assert got['before_no_background'] == got['all_no_background']
    assert got['pixel_accuracy'] == pytest.approx(100 * 140 / 160)
    assert got['class_accuracy'] == pytest.approx((90 + 75 + 100) / 3)
    assert 'new_no_background' not in got


def test_absent_class_as_zero() -> None:
    got = step_scores(CONFUSION, (2, 1, 1), step=2, absent='zero')
    assert got['new'] == pytest.approx(IOU[2] / 2)
    assert got['all'] == pytest.approx(sum(IOU) / 4)
    assert got['current'] == 0


def test_without_background_channel_both_conventions_agree() -> None:
    got = step_scores(CONFUSION, (4, 0), step=1, background=False)
    assert got['all'] == got['all_no_background'] == got['old']
    assert math.isnan(got['new'])


def test_scalars_are_flat_python_floats() -> None:
    result = {
        'step': 2,
        'sizes': [2, 1, 1],
        'classes': ['background', 'a', 'b', 'c'],
        'background': True,
        'confusion': CONFUSION.tolist(),
    }
    flat = scalars(result)
    assert all(type(value) is float and math.isfinite(value) for value in flat.values())
    assert flat['ciss/all'] == pytest.approx(sum(IOU) / 3)
    assert flat['ciss/IoU/a'] == pytest.approx(60)
    assert 'ciss/IoU/c' not in flat and 'ciss/current' not in flat
