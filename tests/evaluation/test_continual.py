"""Tests of mmciss.evaluation.continual."""

from __future__ import annotations

import math
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from mmciss.evaluation.continual import (
    average_over_steps,
    backward_transfer,
    before_current,
    channel_groups,
    forgetting,
    harmonic_mean,
    learned_at,
    nan_mean,
    old_new_all,
    summarize,
)

NAN = float('nan')
SIZES = (3, 1, 2)
IOU = np.array(
    [[90.0, 80.0, 60.0, NAN, NAN, NAN], [85.0, 40.0, 70.0, 50.0, NAN, NAN], [80.0, 20.0, 65.0, 30.0, 10.0, 20.0]]
)


@pytest.fixture(autouse=True)
def no_warnings() -> None:
    """A mean over nothing must not warn."""
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        yield


def test_groups_of_the_papers() -> None:
    groups = channel_groups((16, 1, 1, 1, 1, 1), background=True, count_background=True)
    assert {name: len(channels) for name, channels in groups.items()} == {'old': 16, 'new': 5, 'all': 21}
    groups = channel_groups((16, 1, 1, 1, 1, 1), background=True, count_background=False)
    assert {name: len(channels) for name, channels in groups.items()} == {'old': 15, 'new': 5, 'all': 20}
    groups = channel_groups((19, 0, 0), background=False, count_background=False)
    assert {name: len(channels) for name, channels in groups.items()} == {'old': 19, 'new': 0, 'all': 19}


def test_golden_summary() -> None:
    got = summarize(IOU, SIZES)
    assert got['old'] == pytest.approx((80 + 20 + 65) / 3)
    assert got['new'] == pytest.approx((30 + 10 + 20) / 3)
    assert got['all'] == pytest.approx(225 / 6)
    assert got['harmonic'] == pytest.approx(2 * 55 * 20 / 75)
    assert got['average'] == pytest.approx((230 / 3 + 245 / 4 + 225 / 6) / 3)
    assert got['forgetting'] == pytest.approx((10 + 60 + 5 + 20) / 4)
    assert got['backward_transfer'] == pytest.approx((-10 - 60 + 5 - 20) / 4)


def test_golden_summary_without_background() -> None:
    got = summarize(IOU, SIZES, count_background=False)
    assert got['old'] == pytest.approx((20 + 65) / 2)
    assert got['new'] == pytest.approx(20)
    assert got['all'] == pytest.approx(145 / 5)
    assert got['average'] == pytest.approx((140 / 2 + 160 / 3 + 145 / 5) / 3)
    assert got['forgetting'] == pytest.approx((60 + 5 + 20) / 3)
    assert got['backward_transfer'] == pytest.approx((-60 + 5 - 20) / 3)


def test_per_class_forgetting_and_transfer() -> None:
    np.testing.assert_allclose(forgetting(IOU, SIZES), [10, 60, 5, 20, NAN, NAN])
    np.testing.assert_allclose(backward_transfer(IOU, SIZES), [-10, -60, 5, -20, NAN, NAN])


def test_before_and_current_move_with_the_step() -> None:
    assert before_current(IOU[2], SIZES, 2) == {'before': pytest.approx(195 / 4), 'current': pytest.approx(15)}
    assert before_current(IOU[1, :4], SIZES[:2], 1, count_background=False) == {
        'before': pytest.approx(55),
        'current': pytest.approx(50),
    }
    first = before_current(IOU[0, :3], SIZES[:1], 0)
    assert math.isnan(first['before']) and first['current'] == pytest.approx(230 / 3)


def test_absent_class_is_left_out() -> None:
    row = np.array([80.0, NAN, 60.0, 20.0])
    assert old_new_all(row, (3, 1)) == {'old': pytest.approx(70), 'new': 20, 'all': pytest.approx(160 / 3)}


def test_a_step_without_result_is_left_out() -> None:
    iou = IOU.copy()
    iou[1] = NAN
    got = summarize(iou, SIZES)
    assert got['average'] == pytest.approx((230 / 3 + 225 / 6) / 2)
    np.testing.assert_allclose(forgetting(iou, SIZES), [10, 60, -5, NAN, NAN, NAN])


def test_one_step() -> None:
    got = summarize(IOU[:1, :3], SIZES[:1])
    assert got['old'] == got['all'] == got['average'] == pytest.approx(230 / 3)
    assert all(math.isnan(got[key]) for key in ('new', 'harmonic', 'forgetting', 'backward_transfer'))


def test_joint_training_is_reported_by_the_groups_of_the_protocol() -> None:
    got = summarize(IOU[2:], SIZES)
    assert (got['old'], got['new']) == (pytest.approx(55), pytest.approx(20))
    assert got['average'] == got['all'] and math.isnan(got['forgetting'])


def test_domains_have_no_new_classes() -> None:
    got = summarize(np.array([[50.0, 70.0], [40.0, 80.0]]), (2, 0), background=False)
    assert got['old'] == got['all'] == 60 and math.isnan(got['new'])
    assert got['forgetting'] == 0 and got['backward_transfer'] == 0


def test_small_functions() -> None:
    assert learned_at((2, 0, 1)).tolist() == [0, 0, 2]
    assert harmonic_mean(0, 0) == 0 and harmonic_mean(0, 50) == 0
    assert math.isnan(nan_mean(np.array([]))) and math.isnan(average_over_steps(np.full((2, 2), NAN)))


@st.composite
def results(draw: st.DrawFn, rising: bool = False) -> tuple[np.ndarray, list[int]]:
    """Draws sizes and an IoU array that fits them."""
    sizes = [draw(st.integers(2, 4)), *draw(st.lists(st.integers(1, 3), min_size=1, max_size=4))]
    shape = (len(sizes), sum(sizes))
    iou = draw(arrays.arrays(np.float64, shape, elements=st.floats(0, 100)))
    if rising:
        iou = np.sort(iou, axis=0)
    iou[np.arange(len(sizes))[:, None] < learned_at(sizes)[None]] = NAN
    return iou, sizes


@settings(max_examples=60, deadline=None)
@given(results(rising=True))
def test_nothing_is_forgotten_if_iou_never_drops(drawn: tuple[np.ndarray, list[int]]) -> None:
    iou, sizes = drawn
    lost = forgetting(iou, sizes)
    assert (lost[~np.isnan(lost)] <= 0).all()
    assert summarize(iou, sizes)['backward_transfer'] >= 0


@settings(max_examples=60, deadline=None)
@given(results(), st.booleans())
def test_laws(drawn: tuple[np.ndarray, list[int]], count: bool) -> None:
    iou, sizes = drawn
    got = summarize(iou, sizes, count_background=count)
    base, later = sizes[0] - (not count), sum(sizes[1:])
    assert got['all'] == pytest.approx((base * got['old'] + later * got['new']) / (base + later), abs=1e-9)
    low, high = sorted((got['old'], got['new']))
    assert low - 1e-9 <= got['harmonic'] <= min((got['old'] + got['new']) / 2, 2 * low, high) + 1e-9
    assert got['forgetting'] >= -got['backward_transfer'] - 1e-9  # The best is at least the first.


@settings(max_examples=30, deadline=None)
@given(results())
def test_constant_iou_has_no_forgetting(drawn: tuple[np.ndarray, list[int]]) -> None:
    iou, sizes = drawn
    final = np.where(np.isnan(iou), NAN, iou[-1])
    assert summarize(final, sizes)['forgetting'] == summarize(final, sizes)['backward_transfer'] == 0
