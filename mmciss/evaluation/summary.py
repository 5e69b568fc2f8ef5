"""Everything that the report of a run says, as one dictionary of plain values."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from mmciss.evaluation.confusion import confusion_shares
from mmciss.evaluation.continual import backward_transfer, forgetting, learned_at, summarize
from mmciss.evaluation.diagnosis import diagnose
from mmciss.evaluation.published import PublishedResult, published
from mmciss.evaluation.run_record import RunRecord
from mmciss.evaluation.scores import result_iou, step_scores

CONVENTIONS = {'with_background': True, 'without_background': False}
RULES = ('exclude', 'zero')
"""The two rules for classes without ground truth that papers use; the first is the default."""
MOST_CONFUSIONS = 4
"""At most this many confusions of a step are named."""
LEAST_GROWTH = 1.0
"""A confusion that grew by fewer points of percent is not named."""


def summarize_run(record: RunRecord) -> dict[str, Any]:
    """Computes the content of ``report.json`` for a run with at least one finished step.

    Returns:
        Plain values; every IoU in percent, None for what is not defined. ``summary[rule][convention]`` holds old, new,
        all, harmonic, average over steps, forgetting and backward transfer, after the last finished step.
    """
    iou, sizes = record.iou(), record.sizes
    experiment = record.info.get('experiment') or {}
    return plain(
        {
            'run': {
                'title': record.title,
                'folder': record.path.name,
                **{
                    key: getattr(record, key)
                    for key in ('method', 'protocol', 'setting', 'held_out', 'benchmark', 'joint')
                },
                **{key: record.info.get(key) for key in ('model', 'dataset', 'seed', 'order')},
            },
            'complete': record.complete,
            'num_steps': len(record.results),
            'last_step': record.last['step'],
            'steps': [_step(record, index) for index in range(len(record.results))],
            'sizes': list(sizes),
            'background': record.background,
            'counts_background': record.counts_background,
            'classes': list(record.last['classes']),
            'class_numbers': record.last.get('class_numbers'),
            'learned_at': learned_at(sizes),
            'absent_classes': _absent(record),
            'judged_on': record.last.get('judged_on'),
            'notes': record.last.get('notes') or [],
            'diagnosis': [asdict(finding) for finding in diagnose(record.results)],
            'grown_confusions': grown_confusions(record.results),
            'iou': iou,
            'summary': {
                rule: {name: run_scores(record, count, rule) for name, count in CONVENTIONS.items()} for rule in RULES
            },
            'per_class': {
                'final': iou[-1],
                'forgetting': forgetting(iou, sizes),
                'backward_transfer': backward_transfer(iou, sizes),
            },
            'published': [asdict(row) | {'note': row.note} for row in published_beside(record)],
            'experiment': {
                key: experiment.get(key)
                for key in ('label_policy', 'global_batch', 'images', 'iterations', 'split_hash', 'steps', 'method')
            },
            **{key: record.info.get(key) for key in ('machine', 'world_size', 'config')},
            'versions': record.info.get('versions') or {},
        }
    )


def run_scores(record: RunRecord, count_background: bool, rule: str = RULES[0]) -> dict[str, float]:
    """Returns the numbers of a run that tables print, see :func:`.continual.summarize`."""
    scores = summarize(record.iou(rule), record.sizes, record.background, count_background)
    if _several_test_sets(record.last):
        scores |= {'all': math.nan, 'average': math.nan}
    return scores


def _several_test_sets(result: Mapping[str, Any]) -> bool:
    """Whether classes are judged on different images, or some on none; a mean over all would look like an mIoU."""
    return len(set(result.get('judged_on') or ())) > 1


def published_beside(record: RunRecord) -> tuple[PublishedResult, ...]:
    """Returns the published results of the method, which are for the natural class order and the test images only."""
    if record.info.get('order') not in (None, 'a') or record.held_out:
        return ()
    return published(record.benchmark, record.protocol, record.setting, [record.method])


def _step(record: RunRecord, index: int) -> dict[str, Any]:
    result = record.results[index]
    step: dict[str, Any] = {'step': index, 'learns': record.new_classes(index), 'finished': result is not None}
    if result is None:
        return step
    background = bool(result.get('background', True))
    scores = step_scores(np.asarray(result['confusion']), result['sizes'], index, background, iou=result_iou(result))
    if _several_test_sets(result):
        scores |= {'all': math.nan, 'all_no_background': math.nan}
    if record.joint:  # The one step teaches everything at once.
        scores |= {
            'before': math.nan,
            'current': scores['all'],
            'before_no_background': math.nan,
            'current_no_background': scores['all_no_background'],
        }
    facts = ('num_images', 'train_images', 'iterations', 'seconds', 'metrics')
    return step | scores | {key: result.get(key) for key in facts}


def _absent(record: RunRecord) -> list[str]:
    """Names the classes without ground truth, where a single set of test images ought to show all of them."""
    if record.last.get('judged_on'):
        return []
    return [name for name, iou in zip(record.last['classes'], record.iou()[-1], strict=True) if np.isnan(iou)]


def plain(value: Any) -> Any:
    """Converts to what JSON can hold: arrays and tensors to lists, what is not finite to None, all else to text."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if hasattr(value, 'tolist'):
        value = value.tolist()
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value if value is None or isinstance(value, str | int | float) else str(value)


def grown_confusions(results: Sequence[Mapping[str, Any] | None]) -> list[dict[str, Any]]:
    """Returns the confusions that grew most in every step, largest first.

    Args:
        results: The content of every step's ``result.json``, None where it is missing.

    Returns:
        Entries with ``step``, ``true`` and ``called`` (names of classes), ``before`` and ``after`` (percent of the
        pixels of ``true`` that are called ``called``).
    """
    found = []
    for step in range(1, len(results)):
        earlier, result = results[step - 1], results[step]
        if earlier is None or result is None or not earlier['confusion'] or not result['confusion']:
            continue
        after = 100 * confusion_shares(np.asarray(result['confusion']))
        known = len(earlier['classes'])
        before = np.zeros_like(after)
        before[:known, :known] = 100 * confusion_shares(np.asarray(earlier['confusion']))
        growth = (after - before)[:known]
        np.fill_diagonal(growth, 0.0)
        names = result['classes']
        for place in np.argsort(-growth, axis=None, kind='stable')[:MOST_CONFUSIONS]:
            true, called = divmod(int(place), growth.shape[1])
            if growth[true, called] >= LEAST_GROWTH:
                pair = {'step': step, 'true': names[true], 'called': names[called]}
                found.append(pair | {'before': before[true, called], 'after': after[true, called]})
    return found
