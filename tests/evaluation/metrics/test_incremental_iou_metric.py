"""Tests of mmciss.evaluation.metrics.incremental_iou_metric."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from mmseg.evaluation import IoUMetric
from mmseg.registry import METRICS

from mmciss.errors import ConfigError
from mmciss.evaluation.confusion import confusion_matrix
from mmciss.evaluation.metrics.incremental_iou_metric import IncrementalIoUMetric
from tests.process_group import run_in_group

CLASSES = ('background', 'a', 'b', 'c')


def _samples(count: int, seed: int = 0, num_classes: int = 4) -> list[dict]:
    generator = torch.Generator().manual_seed(seed)
    samples = []
    for index in range(count):
        label = torch.randint(0, num_classes, (1, 12, 10 + index % 3), generator=generator)
        prediction = torch.where(torch.rand(label.shape, generator=generator) < 0.6, label, label.roll(1))
        prediction %= num_classes
        label[0, 0] = 255
        samples.append(
            {'pred_sem_seg': {'data': prediction}, 'gt_sem_seg': {'data': label}, 'img_path': f'{index}.jpg'}
        )
    return samples


def _metric(**arguments: object) -> IncrementalIoUMetric:
    metric = METRICS.build({'type': 'IncrementalIoUMetric', 'sizes': [2, 1, 1], **arguments})
    metric.dataset_meta = {'classes': CLASSES}
    return metric


def _total(samples: list[dict]) -> np.ndarray:
    return sum(confusion_matrix(sample['pred_sem_seg']['data'], sample['gt_sem_seg']['data'], 4) for sample in samples)


def test_same_numbers_as_mmseg() -> None:
    samples = _samples(5)
    ours, theirs = _metric(absent='mmseg'), IoUMetric()
    theirs.dataset_meta = {'classes': CLASSES}
    for metric in (ours, theirs):
        metric.process({}, samples[:3])
        metric.process({}, samples[3:])
    got, expected = ours.evaluate(5), theirs.evaluate(5)
    for key in ('mIoU', 'aAcc', 'mAcc'):
        assert got[key] == pytest.approx(float(expected[key]), abs=0.006)  # mmseg rounds to two digits.


def test_scores_are_python_floats_and_the_confusion_is_kept() -> None:
    metric, samples = _metric(), _samples(3)
    metric.process({}, samples)
    got = metric.evaluate(3)
    assert set(got) == {
        'mIoU',
        'mIoU_old',
        'mIoU_new',
        'hIoU',
        'mIoU_no_background',
        'mIoU_old_no_background',
        'aAcc',
        'mAcc',
    }
    assert all(type(value) is float for value in got.values())
    np.testing.assert_array_equal(metric.confusion, _total(samples))
    assert metric.confusion.dtype == np.int64 and metric.num_images == 3
    iou = np.diagonal(metric.confusion) / (
        metric.confusion.sum(0) + metric.confusion.sum(1) - np.diagonal(metric.confusion)
    )
    assert got['mIoU_new'] == pytest.approx(100 * iou[2:].mean())
    assert got['mIoU_old_no_background'] == pytest.approx(100 * iou[1])


def test_a_second_evaluation_starts_afresh() -> None:
    metric, samples = _metric(), _samples(4)
    metric.process({}, samples)
    metric.evaluate(4)
    metric.process({}, samples[:2])
    metric.evaluate(2)
    np.testing.assert_array_equal(metric.confusion, _total(samples[:2]))


def test_images_that_the_sampler_repeated_do_not_count() -> None:
    metric, samples = _metric(), _samples(4)
    metric.process({}, samples + samples[:2])
    metric.evaluate(4)
    np.testing.assert_array_equal(metric.confusion, _total(samples))


def test_undefined_scores_are_left_out() -> None:
    metric = METRICS.build({'type': 'IncrementalIoUMetric', 'sizes': [4]})
    metric.dataset_meta = {'classes': CLASSES}
    metric.process({}, _samples(2))
    assert 'mIoU_new' not in metric.evaluate(2)


def test_memory_of_many_classes_stays_small() -> None:
    metric = IncrementalIoUMetric(sizes=[101, 50])
    metric.dataset_meta = {'classes': [str(index) for index in range(151)]}
    label = torch.arange(20).repeat_interleave(200).reshape(1, 40, 100)
    metric.process({}, [{'pred_sem_seg': {'data': label}, 'gt_sem_seg': {'data': label}}])
    assert sum(array.nbytes for array in metric.results[0]) < 500


def test_prints_a_table(caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture) -> None:
    scores = dict.fromkeys(('old', 'new', 'all', 'old_no_background', 'all_no_background'), 50.0)
    table = _metric()._table(np.eye(4, dtype=np.int64), scores)
    assert 'background' in table and '100.00' in table and 'old 50.00' in table


@pytest.mark.parametrize(
    'arguments, message',
    [
        ({'sizes': []}, 'test_evaluator.sizes'),
        ({'sizes': [0, 1]}, 'test_evaluator.sizes'),
        ({'sizes': [2], 'absent': 'drop'}, "unknown rule 'drop'. Allowed: exclude, zero, mmseg"),
    ],
)
def test_wrong_config(arguments: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        IncrementalIoUMetric(**arguments)


def test_other_classes_than_sizes_say() -> None:
    with pytest.raises(ConfigError, match=r'\[2, 1\] are 3 channels, but the data set has 4: background, a'):
        IncrementalIoUMetric(sizes=[2, 1]).dataset_meta = {'classes': CLASSES}


def test_sizes_of_maps_must_agree() -> None:
    sample = _samples(1)[0]
    sample['gt_sem_seg']['data'] = sample['gt_sem_seg']['data'][:, :5]
    with pytest.raises(ValueError, match=r'0\.jpg: prediction \(12, 10\) and label \(5, 10\)'):
        _metric().process({}, [sample])


def _evaluate_on(rank: int, world: int, folder: str) -> tuple[dict, list | None]:
    samples = _samples(5)
    # As DefaultSampler does: every second image, the first again where ranks differ in length.
    mine = [samples[index] for index in ([0, 2, 4] if rank == 0 else [1, 3, 0])]
    metric = _metric(collect_dir=folder)
    metric.process({}, mine)
    scores = metric.evaluate(5)
    return scores, None if metric.confusion is None else metric.confusion.tolist()


def test_two_ranks_count_every_image_once(tmp_path: Path) -> None:
    found = run_in_group(_evaluate_on, str(tmp_path / 'parts'), start_method='fork')
    assert found[0][1] == _total(_samples(5)).tolist()
    assert found[1][1] is None
    assert found[0][0] == found[1][0]
