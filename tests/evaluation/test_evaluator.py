"""Tests of mmciss.evaluation.evaluator: metrics of a user beside ours."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from mmengine.evaluator import BaseMetric
from mmseg.evaluation import IoUMetric
from mmseg.registry import METRICS

from mmciss.evaluation.evaluator import IncrementalEvaluator, kept_metrics, other_results
from mmciss.evaluation.metrics.incremental_iou_metric import NAMES, IncrementalIoUMetric
from tests.smoke import smoke_config

MEAN = dict(type='IoUMetric', iou_metrics=['mIoU'])
OWN = dict(type='MetricOfAUser', unit='px')


@METRICS.register_module(force=True)
class MetricOfAUser(BaseMetric):
    """Counts images, and calls one result like one of ours."""

    def __init__(self, unit: str) -> None:
        super().__init__()
        if unit not in ('px', 'mm'):
            raise ValueError(f'no unit {unit}')

    def process(self, data_batch: Any, data_samples: Any) -> None:
        self.results += [1] * len(data_samples)

    def compute_metrics(self, results: list) -> dict:
        return {'images': np.int64(len(results)), 'mIoU': float('nan'), 'classes': len(self.dataset_meta['classes'])}


@pytest.mark.parametrize(
    ('evaluator', 'kept'),
    [
        (None, []),
        (MEAN, []),
        (dict(type='IoUMetric'), []),
        (dict(type='mmseg.IoUMetric', format_only=True, output_dir='x'), []),
        (dict(type=IoUMetric, iou_metrics=['mIoU']), []),
        (dict(type='IncrementalIoUMetric', sizes=[2]), []),
        (OWN, [OWN]),
        ([MEAN, OWN], [OWN]),
        ((OWN, MEAN), [OWN]),
        (dict(metrics=[MEAN, OWN]), [OWN]),
        (dict(type='Evaluator', metrics=OWN), [OWN]),
        (dict(MEAN, iou_metrics=['mIoU', 'mDice']), [dict(MEAN, iou_metrics=['mIoU', 'mDice'])]),
    ],
)
def test_only_mean_iou_is_replaced(evaluator: Any, kept: list) -> None:
    assert kept_metrics(evaluator) == kept


def test_names_of_ours_come_first() -> None:
    metrics = [dict(type='IncrementalIoUMetric', sizes=[2]), dict(MEAN, iou_metrics=['mIoU', 'mDice']), OWN]
    evaluator = IncrementalEvaluator([METRICS.build(metric) for metric in metrics])
    evaluator.dataset_meta = {'classes': ['background', 'a']}
    maps = {'pred_sem_seg': torch.tensor([[[0, 1], [1, 1]]]), 'gt_sem_seg': torch.tensor([[[0, 0], [1, 255]]])}
    sample = {key: {'data': value} for key, value in maps.items()} | {'img_path': 'x'}
    evaluator.process([sample])
    found = evaluator.evaluate(1)
    assert isinstance(evaluator.metrics[0], IncrementalIoUMetric)
    assert found['mIoU'] == pytest.approx(50.0) and found['IoUMetric/mIoU'] == pytest.approx(50.0)
    assert 'mDice' in found and np.isnan(found['MetricOfAUser/mIoU']) and found['images'] == 1
    other = other_results(found)
    assert not set(other) & set(NAMES.values()) and json.loads(json.dumps(other, allow_nan=False)) == other
    assert (other['images'], other['MetricOfAUser/mIoU'], other['classes']) == (1, None, 2)


def test_results_that_json_does_not_know() -> None:
    assert other_results({'a': torch.tensor(1.5), 'b': {'c': np.array([1, 2])}, 'd': Path('x')}) == {
        'a': 1.5,
        'b': {'c': [1, 2]},
        'd': 'x',
    }


def test_a_run_keeps_what_they_measure(data_folders: None, no_figures: None, tmp_path: Path) -> None:
    from mmciss.apis.train import train

    cfg = smoke_config(tmp_path, run_steps=[0])
    cfg.test_evaluator = [MEAN, OWN]
    train(cfg)
    result = json.loads((tmp_path / 'step_0' / 'result.json').read_text())
    assert result['metrics'] == {'images': result['num_images'], 'MetricOfAUser/mIoU': None, 'classes': 16}
    assert sum(map(sum, result['confusion'])) > 0
    text = (tmp_path / 'report.md').read_text()
    assert '## Other metrics' in text and 'MetricOfAUser/mIoU' in text
    log = next((tmp_path / 'step_0').glob('*/*.log')).read_text()
    assert 'MetricOfAUser/mIoU' in log and f'images: {result["num_images"]}' in log
