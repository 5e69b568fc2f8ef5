"""Everything that the report of a run says, as one dictionary of plain values."""

from __future__ import annotations

import math
from dataclasses import asdict
from typing import Any

import numpy as np

from mmciss.evaluation.continual import backward_transfer, forgetting, learned_at, summarize
from mmciss.evaluation.published import published
from mmciss.evaluation.run_record import RunRecord
from mmciss.evaluation.scores import step_scores

CONVENTIONS = {'with_background': True, 'without_background': False}
RULES = ('exclude', 'zero')
"""The two rules for classes without ground truth that papers use; the first is the default."""


def summarize_run(record: RunRecord) -> dict[str, Any]:
    """Computes the content of ``report.json``.

    Args:
        record: A run with at least one finished step.

    Returns:
        Plain values; every IoU in percent, None for what is not defined.
        ``summary[rule][convention]`` holds old, new, all, harmonic, average over steps, forgetting
        and backward transfer, after the last finished step.
    """
    iou, sizes = record.iou(), record.sizes
    experiment = record.info.get('experiment') or {}
    return plain(
        {
            'run': {
                'title': f'{record.method} on {record.problem}',
                'folder': record.path.name,
                'method': record.method,
                'protocol': record.protocol,
                'setting': record.setting,
                'benchmark': record.benchmark,
                'joint': record.joint,
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
            'iou': iou,
            'summary': {
                rule: {
                    name: summarize(record.iou(rule), sizes, record.background, count)
                    for name, count in CONVENTIONS.items()
                }
                for rule in RULES
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
            'machine': record.info.get('machine'),
            'world_size': record.info.get('world_size'),
            'config': record.info.get('config'),
            'versions': record.info.get('versions') or {},
        }
    )


def published_beside(record: RunRecord) -> tuple:
    """Finds the published results of the method; none where the class order is another one."""
    if record.info.get('order') not in (None, 'a'):
        return ()
    return published(record.benchmark, record.protocol, record.setting, [record.method])


def _step(record: RunRecord, index: int) -> dict[str, Any]:
    result = record.results[index]
    step: dict[str, Any] = {'step': index, 'learns': record.new_classes(index), 'finished': result is not None}
    if result is None:
        return step
    background = bool(result.get('background', True))
    scores = step_scores(np.asarray(result['confusion']), result['sizes'], index, background)
    if record.joint:  # The one step teaches everything at once.
        scores |= {
            'before': math.nan,
            'current': scores['all'],
            'before_no_background': math.nan,
            'current_no_background': scores['all_no_background'],
        }
    return step | scores | {key: result.get(key) for key in ('num_images', 'train_images', 'iterations', 'seconds')}


def _absent(record: RunRecord) -> list[str]:
    rows = np.asarray(record.last['confusion']).sum(1)
    return [name for name, count in zip(record.last['classes'], rows) if count == 0]


def plain(value: Any) -> Any:
    """Turns arrays into lists, numpy scalars into Python's, and what is not finite into None."""
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, np.ndarray):
        return plain(value.tolist())
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value
