"""Evaluates the metrics of a user's config in addition to ours."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mmengine.evaluator import Evaluator
from mmseg.registry import EVALUATOR

from mmciss.evaluation.metrics.incremental_iou_metric import NAMES
from mmciss.evaluation.summary import plain


@EVALUATOR.register_module()
class IncrementalEvaluator(Evaluator):
    """Evaluates several metrics, of which ours is the first; later ones may use the same names.

    mmengine refuses a name that two metrics give, after the first evaluation. Here the later one is put under the name
    of its class: ``'IoUMetric/aAcc'``.
    """

    def evaluate(self, size: int) -> dict[str, Any]:
        """Returns the results of all metrics by name.

        Args:
            size: The number of images in the data set.
        """
        found: dict[str, Any] = {}
        for metric in self.metrics:
            for name, value in metric.evaluate(size).items():
                found[f'{type(metric).__name__}/{name}' if name in found else name] = value
        return found


def listed_metrics(evaluator: Any) -> list[Any]:
    """Returns the metrics of ``val_evaluator`` or ``test_evaluator`` in any form that mmengine takes.

    Examples:
        >>> listed_metrics(dict(metrics=[dict(type='A'), dict(type='B')]))
        [{'type': 'A'}, {'type': 'B'}]
    """
    if isinstance(evaluator, Mapping) and 'metrics' in evaluator:
        evaluator = evaluator['metrics']
    return list(evaluator) if isinstance(evaluator, list | tuple) else [] if evaluator is None else [evaluator]


def kept_metrics(evaluator: Any) -> list[Any]:
    """Returns the metrics that a step evaluates in addition to ours, which replaces MMSegmentation's mean IoU.

    Examples:
        >>> dice = dict(type='mmseg.IoUMetric', iou_metrics=['mDice'])
        >>> kept_metrics([dict(type='IoUMetric'), dice, dict(type='Mine')])
        [{'type': 'mmseg.IoUMetric', 'iou_metrics': ['mDice']}, {'type': 'Mine'}]
    """
    return [metric for metric in listed_metrics(evaluator) if not _is_replaced(metric)]


def _is_replaced(metric: Mapping[str, Any]) -> bool:
    kind = metric.get('type')
    name = str(getattr(kind, '__name__', kind)).rsplit('.', 1)[-1]
    return name == 'IncrementalIoUMetric' or (name == 'IoUMetric' and set(metric.get('iou_metrics') or ()) <= {'mIoU'})


def other_results(found: Mapping[str, Any]) -> dict[str, Any]:
    """Returns what the user's metrics measured, without our scores, as values that JSON can hold."""
    return plain({name: value for name, value in found.items() if name not in NAMES.values()})
