"""All numbers of the comparison of both models, computed from counts; IoUs are in percent, None if undefined."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np

from mmciss.evaluation.confusion import iou_from_confusion
from mmciss.evaluation.continual import nan_mean
from mmciss.extend.comparison import Comparison
from mmciss.protocols.step import Step

Scores = list[float | None]


def decidable_counts(table: np.ndarray, labelled: Collection[int], background: bool) -> np.ndarray:
    """Returns counts without pixels whose labels cannot tell whether the prediction is right.

    If a test set does not label a class, its 'background' means 'background, or a class that is not labelled here'. A
    model that predicts such a class there may be right, so the pixel counts neither for nor against it.

    Args:
        table: ``before`` or ``after`` of :class:`Comparison`, ``(K + N + 1, columns)``.
        labelled: The classes that the test set labels.
        background: Whether class 0 is the background.
    """
    told = table.copy()
    if background and 0 in labelled:
        told[0, [channel for channel in range(table.shape[1]) if channel not in labelled]] = 0
    return told


def class_iou(table: np.ndarray, labelled: Collection[int], background: bool) -> Scores:
    """Returns the IoU of each column's class; None if the test set does not label or never shows it.

    For a test set that labels all classes this is MMSegmentation's ``IoUMetric``. If a table has fewer columns than
    there are true classes, the model does not know the others, and all their pixels are mistakes. Arguments as for
    :func:`decidable_counts`.

    Examples:
        >>> table = np.array([[6, 0, 2], [1, 3, 0], [0, 0, 0], [0, 0, 0]])
        >>> [round(class_iou(table, labelled, background=True)[0], 2) for labelled in ({0, 1}, {0, 1, 2})]
        [85.71, 66.67]
    """
    told = decidable_counts(table, labelled, background)
    if background:
        told[-1, 0] = 0  # the background is the right answer for pixels of classes that no model knows
    found = _percent(iou_from_confusion(_square(told))[: table.shape[1]])
    return [value if channel in labelled else None for channel, value in enumerate(found)]


def open_pixels(counts: Comparison) -> int:
    """Returns how many pixels :func:`decidable_counts` removes from the extended model's counts."""
    return int((counts.after - decidable_counts(counts.after, counts.labelled, counts.background)).sum())


def background_if_wrong(counts: Comparison) -> float | None:
    """Returns the background's IoU if the removed pixels count as mistakes, as MMSegmentation's ``IoUMetric`` does."""
    if not counts.background or 0 not in counts.labelled:
        return None
    return class_iou(counts.after, range(counts.after.shape[1]), counts.background)[0]


def plain_mean(table: np.ndarray, labelled: Collection[int]) -> float | None:
    """Returns MMSegmentation's mIoU over the columns that a test set labels, with all pixels.

    A class that no pixel shows counts as 0 once the model predicts it.

    Examples:
        >>> round(plain_mean(np.array([[6, 0, 2], [1, 3, 0], [0, 0, 0], [0, 0, 0]]), {0, 1, 2}), 2)
        47.22
    """
    channels = sorted(channel for channel in labelled if channel < table.shape[1])
    return _mean(_percent(iou_from_confusion(_square(table), absent='mmseg')[channels]))


def agreement_iou(table: np.ndarray) -> tuple[float | None, Scores]:
    """Compares both models where no new class is labelled; the old model's classes count as true.

    Returns:
        The share of pixels with the same class in percent, and the IoU of every old class, None if the old model never
        predicts it.
    """
    return _share(np.trace(table), table.sum()), _percent(iou_from_confusion(_square(table))[: len(table)])


def summarize(
    step: Step, comparisons: Mapping[str, Comparison], titles: Mapping[str, str], judges: Sequence[str]
) -> dict[str, Any]:
    """Computes all numbers of the comparison.

    Each class is measured on a single test set, which labels and shows it: an old class on ``'old'`` if possible, a new
    class on the first of ``judges`` that does. So every IoU is what MMSegmentation measures on that set.

    ``comparisons`` and ``titles`` are by test set: ``'new'``, and ``'old'`` if there is one.
    """
    num_old = step.num_old
    sets = {name: _test_set(step, counts, titles[name]) for name, counts in comparisons.items()}
    same, agreement = agreement_iou(np.sum([counts.agreement for counts in comparisons.values()], axis=0))
    classes: list[dict[str, Any]] = []
    for index, name in enumerate(step.names):
        judge = _judge(comparisons, index, ('old', 'new') if index < num_old else judges)
        found = sets[judge]['classes'][index] if judge else {'before': None, 'after': None, 'pixels': 0}
        classes.append(
            {
                'id': index,
                'name': name,
                'new': index >= num_old,
                'judged_on': judge,
                **{key: found[key] for key in ('before', 'after', 'pixels')},
                'agreement': agreement[index] if index < num_old else None,
            }
        )
    judged_on = [item['judged_on'] for item in classes]
    before, after = [item['before'] for item in classes], [item['after'] for item in classes]
    confusion, confusion_before = (_joined(comparisons, judged_on, step, key) for key in ('after', 'before'))
    old, new, unlabelled = confusion[:num_old], confusion[num_old : step.num_seen], confusion[-1]
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
        'unlabelled_called_new': _share(unlabelled[num_old:].sum(), unlabelled.sum()),
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
    classes = zip(step.names, before, after, counts.after.sum(1).tolist()[: step.num_seen], strict=True)
    return {
        'title': title,
        'images': counts.num_images,
        'labelled': [step.names[index] for index in sorted(counts.labelled)],
        'classes': [
            {'id': index, **dict(zip(('name', 'before', 'after', 'pixels'), item, strict=True))}
            for index, item in enumerate(classes)
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


def _square(table: np.ndarray) -> np.ndarray:
    """Adds columns or rows of zeros: classes that one side does not know."""
    rows, columns = table.shape
    return np.pad(table, ((0, max(0, columns - rows)), (0, max(0, rows - columns))))


def _percent(fractions: np.ndarray) -> Scores:
    return [None if np.isnan(value) else 100 * float(value) for value in fractions]


def _mean(values: Scores) -> float | None:
    mean = nan_mean(np.array(values, dtype=np.float64))
    return None if np.isnan(mean) else mean


def _share(part: Any, whole: Any) -> float | None:
    return 100 * int(part) / int(whole) if whole else None
