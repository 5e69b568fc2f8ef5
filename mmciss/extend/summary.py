"""All numbers of the comparison of both models, computed from counts."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from mmciss.extend.comparison import Comparison
from mmciss.extend.labelled_iou import (
    agreement_iou,
    background_if_wrong,
    class_iou,
    decidable_counts,
    open_pixels,
    plain_mean,
)
from mmciss.protocols.step import Step


def summarize(
    step: Step, comparisons: Mapping[str, Comparison], titles: Mapping[str, str], judges: Sequence[str]
) -> dict[str, Any]:
    """Computes all numbers of the comparison.

    Each class is measured on a single test set, which labels and shows it: an old class on ``'old'`` if possible, a new
    class on the first of ``judges`` that does. So every IoU is what MMSegmentation measures on that set.

    Args:
        step: Old and new classes.
        comparisons: Counts by test set: ``'new'``, and ``'old'`` if there is one.
        titles: Titles of the test sets.
        judges: Names of test sets in order of preference for new classes.
    """
    num_old = step.num_old
    sets = {name: _test_set(step, counts, titles[name]) for name, counts in comparisons.items()}
    same, agreement = agreement_iou(np.sum([counts.agreement for counts in comparisons.values()], axis=0))
    classes = []
    for index, name in enumerate(step.names):
        judge = _judge(comparisons, index, ('old', 'new') if index < num_old else judges)
        found = sets[judge]['classes'][index] if judge else {}
        classes.append(
            {
                'id': index,
                'name': name,
                'new': index >= num_old,
                'judged_on': judge,
                'before': found.get('before'),
                'after': found.get('after'),
                'pixels': found.get('pixels', 0),
                'agreement': agreement[index] if index < num_old else None,
            }
        )
    judged_on = [item['judged_on'] for item in classes]
    before, after = [item['before'] for item in classes], [item['after'] for item in classes]
    confusion, confusion_before = (_joined(comparisons, judged_on, step, key) for key in ('after', 'before'))
    old, new = confusion[:num_old], confusion[num_old : step.num_seen]
    return {
        'num_old': num_old,
        'num_new': step.num_new,
        'background': step.background,
        # Without a labelled pixel of an old class there is no IoU, only agreement with the old model.
        'measured': any(value is not None for value in before[:num_old]),
        'classes': classes,
        'old_before': _mean(before[:num_old]),
        'old_after': _mean(after[:num_old]),
        'new_after': _mean(after[num_old:]),
        # A mean over classes on different images would look like MMSegmentation's mIoU without being one.
        'all_after': _mean(after) if len(set(judged_on)) == 1 else None,
        'agreement_pixels': same,
        'agreement': _mean(agreement),
        'old_called_new': _share(old[:, num_old:].sum(), old.sum()),
        'new_called_old': _share(new[:, :num_old].sum(), new.sum()),
        'unlabelled_called_new': _share(confusion[-1, num_old:].sum(), confusion[-1].sum()),
        'confusion': confusion.tolist(),
        'confusion_before': confusion_before.tolist(),
        'images': {name: counts.num_images for name, counts in comparisons.items()},
        'sets': sets,
    }


def _test_set(step: Step, counts: Comparison, title: str) -> dict[str, Any]:
    """Returns the results of one test set by itself; its confusions include all pixels."""
    before, after = (class_iou(table, counts.labelled, counts.background) for table in (counts.before, counts.after))
    before += [None] * step.num_new
    left_out = open_pixels(counts)
    return {
        'title': title,
        'images': counts.num_images,
        'labelled': [step.names[index] for index in sorted(counts.labelled)],
        'classes': [
            {
                'id': index,
                'name': name,
                'before': before[index],
                'after': after[index],
                'pixels': int(counts.after[index].sum()),
            }
            for index, name in enumerate(step.names)
        ],
        'open_pixels': left_out,
        'open_share': _share(left_out, counts.after[0].sum()) if left_out else 0.0,
        'background_if_wrong': background_if_wrong(counts) if left_out else None,
        'mean_before': _mean(before),
        'mean_after': _mean(after),
        'plain_mean_before': plain_mean(counts.before, counts.labelled),
        'plain_mean_after': plain_mean(counts.after, counts.labelled),
        'confusion': counts.after.tolist(),
        'confusion_before': counts.before.tolist(),
    }


def _judge(comparisons: Mapping[str, Comparison], channel: int, order: Sequence[str]) -> str | None:
    for name in order:
        counts = comparisons.get(name)
        if counts is not None and channel in counts.labelled and counts.after[channel].any():
            return name
    return None


def _joined(comparisons: Mapping[str, Comparison], judged_on: Sequence[str | None], step: Step, key: str) -> np.ndarray:
    """Returns each class's row from the set it is measured on, and unlabelled pixels from the sets of new classes."""
    told = {
        name: decidable_counts(getattr(counts, key), counts.labelled, counts.background)
        for name, counts in comparisons.items()
    }
    joined = np.zeros_like(next(iter(told.values())))
    for channel, name in enumerate(judged_on):
        if name is not None:
            joined[channel] = told[name][channel]
    for name in {name for name in judged_on[step.num_old :] if name is not None}:
        joined[-1] += told[name][-1]
    return joined


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return statistics.fmean(known) if known else None


def _share(part: Any, whole: Any) -> float | None:
    return 100 * int(part) / int(whole) if whole else None
