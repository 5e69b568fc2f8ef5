"""The lookup that turns a data set's ids into channels."""

from __future__ import annotations

import time
import timeit
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mmseg.registry import TRANSFORMS

from mmciss.datasets.transforms.map_labels import MapLabels


@given(st.lists(st.integers(0, 255), min_size=256, max_size=256), st.integers(0, 2**31))
def test_is_the_table(entries: list[int], seed: int) -> None:
    labels = np.random.RandomState(seed).randint(0, 256, size=(7, 5)).astype(np.uint8)
    mapped = MapLabels(entries).transform(dict(gt_seg_map=labels.copy()))['gt_seg_map']
    assert mapped.dtype == np.uint8 and mapped.shape == (7, 5)
    assert np.array_equal(mapped, np.array(entries, dtype=np.uint8)[labels])


def test_other_types_and_layouts() -> None:
    labels = np.arange(12, dtype=np.int64).reshape(3, 4).T
    table = np.arange(255, -1, -1)
    assert np.array_equal(MapLabels(table)(dict(gt_seg_map=labels))['gt_seg_map'], 255 - labels)


def test_predictions_are_not_shifted_back() -> None:
    results = MapLabels(np.arange(256))(dict(reduce_zero_label=True, label_map={1: 2}))
    assert results == dict(reduce_zero_label=False, label_map=None)


@pytest.mark.parametrize('table', [[0] * 255, [256] + [0] * 255, [-1] + [0] * 255])
def test_wrong_table(table: list[int]) -> None:
    with pytest.raises(ValueError, match='256 entries in 0..255'):
        TRANSFORMS.build(dict(type='MapLabels', table=table))


def test_faster_than_indexing() -> None:
    labels = np.random.RandomState(0).randint(0, 21, (375, 500)).astype(np.uint8)
    mapper = MapLabels(np.arange(256))

    def seconds(call: Callable[[], object]) -> float:
        return min(timeit.repeat(call, timer=time.thread_time, number=20, repeat=20))

    assert seconds(lambda: mapper(dict(gt_seg_map=labels))) < seconds(lambda: mapper.table[labels])
