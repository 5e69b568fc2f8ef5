"""The scores of one step, from its confusion matrix; all in percent."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from mmciss.evaluation.confusion import accuracy_from_confusion, iou_from_confusion
from mmciss.evaluation.continual import before_current, harmonic_mean, old_new_all


def step_scores(
    confusion: np.ndarray,
    sizes: Sequence[int],
    step: int,
    background: bool = True,
    absent: str = 'exclude',
    iou: np.ndarray | None = None,
) -> dict[str, float]:
    """Scores one step.

    Args:
        confusion: Counts ``(n, n)`` over the channels seen, rows = ground truth.
        sizes: Channels added by each step.
        step: The step's index.
        background: Whether channel 0 is the background.
        absent: What the IoU of a class without ground truth is, see :func:`.iou_from_confusion`.
        iou: IoU ``(n,)`` in percent, if it is not that of ``confusion``.

    Returns:
        Percent, NaN where a group is empty: ``old``, ``new``, ``all``, ``harmonic``, ``before``, ``current``; ``old``,
        ``all``, ``harmonic``, ``before`` and ``current`` again with the suffix ``_no_background``;
        ``pixel_accuracy`` and ``class_accuracy``.
    """
    row = 100 * iou_from_confusion(confusion, absent) if iou is None else iou
    scores: dict[str, float] = {}
    for count_background, suffix in ((True, ''), (False, '_no_background')):
        groups = old_new_all(row, sizes, background, count_background)
        groups['harmonic'] = harmonic_mean(groups['old'], groups['new'])
        groups.update(before_current(row, sizes, step, background, count_background))
        scores.update({f'{name}{suffix}': value for name, value in groups.items()})
    del scores['new_no_background']  # The background is never new.
    overall, per_class = accuracy_from_confusion(confusion)
    known = per_class[~np.isnan(per_class)]
    scores['pixel_accuracy'] = 100 * overall
    scores['class_accuracy'] = 100 * float(known.mean()) if known.size else float('nan')
    return scores


def result_iou(result: Mapping[str, Any], absent: str = 'exclude') -> np.ndarray:
    """Returns the IoU ``(n,)`` of every class in percent: that of the confusion matrix, unless the result has its own.

    Args:
        result: The content of a step's ``result.json``. Under ``iou`` it has percent or None per class where classes
            are judged on different images.
        absent: See :func:`step_scores`.
    """
    if result.get('iou') is None:
        return 100 * iou_from_confusion(np.asarray(result['confusion']), absent)
    iou = np.array(result['iou'], dtype=np.float64)
    return np.nan_to_num(iou) if absent == 'zero' else iou


def score_key(report: Mapping[str, Any], name: str) -> str:
    """Returns the key of the score that headline and figures show, without the background where the data has none.

    Args:
        report: ``background`` and ``counts_background``.
        name: ``'old'``, ``'new'``, ``'all'``, ``'before'`` or ``'current'``.
    """
    without = report['background'] and not report['counts_background']
    return f'{name}_no_background' if without and name != 'new' else name


def headline_scores(result: Mapping[str, Any]) -> tuple[float, float, float]:
    """Returns the mean IoU of old, new and all classes after a step in percent, NaN where a group is empty.

    Args:
        result: The content of the step's ``result.json``.
    """
    background = result.get('background', True)
    counts = {'background': background, 'counts_background': result.get('data_background', True)}
    confusion, iou = np.asarray(result['confusion']), result_iou(result)
    scores = step_scores(confusion, result['sizes'], result['step'], background, iou=iou)
    return scores[score_key(counts, 'old')], scores[score_key(counts, 'new')], scores[score_key(counts, 'all')]


def scalars(result: Mapping[str, Any]) -> dict[str, float]:
    """Flattens the result of a step for mmengine's visualizer backends (TensorBoard, ...).

    Args:
        result: The content of a step's ``result.json``.

    Returns:
        ``{'ciss/old': ..., 'ciss/new': ..., ..., 'ciss/IoU/<class>': ...}`` as Python floats in
        percent; what is NaN is left out.
    """
    confusion, iou = np.asarray(result['confusion']), result_iou(result)
    scores = step_scores(confusion, result['sizes'], result['step'], result.get('background', True), iou=iou)
    flat = {f'ciss/{name}': value for name, value in scores.items()}
    flat.update({f'ciss/IoU/{name}': value for name, value in zip(result['classes'], iou, strict=True)})
    return {name: float(value) for name, value in flat.items() if not math.isnan(value)}
