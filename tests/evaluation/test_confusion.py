"""Tests of mmciss.evaluation.confusion."""

from __future__ import annotations

import time

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from mmseg.evaluation import IoUMetric

from mmciss.evaluation.confusion import accuracy_from_confusion, confusion_matrix, iou_from_confusion

GOLDEN = np.array([[50, 2, 0, 3], [4, 30, 0, 0], [0, 0, 0, 0], [1, 0, 5, 10]])
"""Class 2 has no ground truth, but 5 pixels are predicted as it."""


def test_counts_pixels_by_hand() -> None:
    prediction = torch.tensor([[0, 1, 2], [2, 1, 0]])
    label = torch.tensor([[0, 2, 2], [2, 255, 1]])
    expected = [[1, 0, 0], [1, 0, 0], [0, 1, 2]]
    np.testing.assert_array_equal(confusion_matrix(prediction, label, 3), expected)


@pytest.mark.parametrize('dtype', [torch.uint8, torch.int32, torch.int64])
def test_labels_outside_the_classes_are_dropped(dtype: torch.dtype) -> None:
    label = torch.tensor([0, 1, 2, 3, 254, 255]).to(dtype)
    counts = confusion_matrix(torch.zeros(6, dtype=dtype), label, 3)
    assert counts.dtype == np.int64
    assert counts.sum() == 3
    if dtype != torch.uint8:
        assert confusion_matrix(torch.tensor([0]), torch.tensor([-1]), 3).sum() == 0


def test_ignore_index_may_be_a_class() -> None:
    label = torch.tensor([0, 0, 1])
    np.testing.assert_array_equal(confusion_matrix(label, label, 2, ignore_index=0), [[0, 0], [0, 1]])


def test_the_inputs_are_not_changed() -> None:
    prediction, label = (torch.tensor([0, 1], dtype=torch.int32), torch.tensor([1, 255], dtype=torch.int32))
    confusion_matrix(prediction, label, 2)
    assert prediction.tolist() == [0, 1] and label.tolist() == [1, 255]


def test_a_prediction_outside_the_classes_is_an_error_unless_ignored() -> None:
    with pytest.raises(ValueError, match='found 0 to 7, allowed 0 to 2'):
        confusion_matrix(torch.tensor([0, 7]), torch.tensor([0, 1]), 3)
    assert confusion_matrix(torch.tensor([0, 7]), torch.tensor([0, 255]), 3).sum() == 1


def test_shapes_must_agree() -> None:
    with pytest.raises(ValueError, match=r'\(2, 2\).*\(2, 3\)'):
        confusion_matrix(torch.zeros(2, 2), torch.zeros(2, 3), 3)


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 6), st.data())
def test_equals_counting_one_by_one(num_classes: int, data: st.DataObject) -> None:
    pairs = data.draw(
        st.lists(st.tuples(st.integers(-2, num_classes + 2), st.integers(0, num_classes - 1)), max_size=30)
    )
    expected = np.zeros((num_classes, num_classes), dtype=int)
    for true, predicted in pairs:
        if 0 <= true < num_classes:
            expected[true, predicted] += 1
    label, prediction = torch.tensor(pairs, dtype=torch.long).reshape(-1, 2).T
    np.testing.assert_array_equal(confusion_matrix(prediction, label, num_classes), expected)


def test_golden_iou_of_every_rule() -> None:
    """methods.md 1.8: MiB leaves the absent class out of the mean, DKD and SSUL count it as 0."""
    present = [50 / 60, 30 / 36, 10 / 19]
    exclude, zero, mmseg = (iou_from_confusion(GOLDEN, rule) for rule in ('exclude', 'zero', 'mmseg'))
    np.testing.assert_allclose(exclude, [*present[:2], np.nan, present[2]], rtol=1e-12)
    np.testing.assert_allclose(zero, [*present[:2], 0, present[2]], rtol=1e-12)
    np.testing.assert_allclose(mmseg, zero)
    assert np.nanmean(exclude) == pytest.approx(sum(present) / 3)
    assert zero.mean() == pytest.approx(sum(present) / 4)


def test_a_class_that_is_nowhere() -> None:
    nowhere = np.array([[3, 0], [0, 0]])
    assert np.isnan(iou_from_confusion(nowhere)[1])
    assert np.isnan(iou_from_confusion(nowhere, 'mmseg')[1])
    assert iou_from_confusion(nowhere, 'zero')[1] == 0


def test_accuracy() -> None:
    overall, per_class = accuracy_from_confusion(GOLDEN)
    assert overall == pytest.approx(90 / 105)
    np.testing.assert_allclose(per_class, [50 / 55, 30 / 34, np.nan, 10 / 16])
    assert np.isnan(accuracy_from_confusion(np.zeros((2, 2), int))[0])


@pytest.mark.parametrize('absent, shape', [('mean', (2, 2)), ('zero', (2, 3))])
def test_wrong_arguments(absent: str, shape: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match='mean|square'):
        iou_from_confusion(np.zeros(shape, int), absent)


def _maps(num_classes: int, side: int = 300) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    label = torch.randint(0, num_classes, (side, side), generator=generator)
    noise = torch.randint(0, num_classes, (side, side), generator=generator)
    prediction = torch.where(torch.rand((side, side), generator=generator) < 0.7, label, noise)
    label[:20] = 255
    label[label == 2] = 3
    return prediction, label


def test_identical_to_mmseg() -> None:
    prediction, label = _maps(21)
    intersect, union, predicted, true = IoUMetric.intersect_and_union(prediction, label, 21, 255)
    counts = confusion_matrix(prediction, label, 21)
    np.testing.assert_array_equal(np.diagonal(counts), intersect.numpy())
    np.testing.assert_array_equal(counts.sum(0), predicted.numpy())
    np.testing.assert_array_equal(counts.sum(1), true.numpy())
    np.testing.assert_allclose(iou_from_confusion(counts, 'mmseg'), (intersect / union).numpy(), rtol=1e-6)


def test_faster_than_mmseg() -> None:
    prediction, label = _maps(21)

    def best(function: object) -> float:
        times = []
        for _ in range(8):
            start = time.perf_counter()
            function()
            times.append(time.perf_counter() - start)
        return min(times)

    ours = best(lambda: confusion_matrix(prediction, label, 21))
    theirs = best(lambda: IoUMetric.intersect_and_union(prediction, label, 21, 255))
    assert ours < theirs
