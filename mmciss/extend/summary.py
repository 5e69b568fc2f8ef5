"""All numbers of the comparison of both models, computed from counts; IoUs are in percent, NaN if undefined."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np

from mmciss.evaluation.confusion import iou_from_confusion
from mmciss.evaluation.continual import nan_mean
from mmciss.evaluation.summary import plain
from mmciss.extend.comparison import Comparison
from mmciss.protocols.step import Step


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


def class_iou(table: np.ndarray, labelled: Collection[int], background: bool) -> np.ndarray:
    """Returns the IoU of each column's class; NaN if the test set does not label or never shows it.

    For a test set that labels all classes this is MMSegmentation's ``IoUMetric``. If a table has fewer columns than
    there are true classes, the model does not know the others, and all their pixels are mistakes. Arguments as for
    :func:`decidable_counts`.

    Examples:
        >>> table = np.array([[6, 0, 2], [1, 3, 0], [0, 0, 0], [0, 0, 0]])
        >>> [class_iou(table, labelled, background=True).round(2).tolist() for labelled in ({0, 1}, {0, 1, 2})]
        [[85.71, 75.0, nan], [66.67, 75.0, nan]]
    """
    told = decidable_counts(table, labelled, background)
    if background:
        told[-1, 0] = 0  # the background is the right answer for pixels of classes that no model knows
    found = 100 * iou_from_confusion(_square(told))[: table.shape[1]]
    found[[channel for channel in range(len(found)) if channel not in labelled]] = np.nan
    return found


def plain_mean(table: np.ndarray, labelled: Collection[int]) -> float:
    """Returns MMSegmentation's mIoU over the columns that a test set labels, with all pixels.

    A class that no pixel shows counts as 0 once the model predicts it.

    Examples:
        >>> round(plain_mean(np.array([[6, 0, 2], [1, 3, 0], [0, 0, 0], [0, 0, 0]]), {0, 1, 2}), 2)
        47.22
    """
    channels = sorted(channel for channel in labelled if channel < table.shape[1])
    return nan_mean(100 * iou_from_confusion(_square(table), absent='mmseg')[channels])


def agreement_iou(table: np.ndarray) -> tuple[float, np.ndarray]:
    """Compares both models where no new class is labelled; the old model's classes count as true.

    Returns:
        The share of pixels with the same class in percent, and the IoU of every old class, NaN if the old model never
        predicts it.
    """
    return _share(np.trace(table), table.sum()), 100 * iou_from_confusion(_square(table))[: len(table)]


def summarize(
    step: Step, comparisons: Mapping[str, Comparison], titles: Mapping[str, str], judges: Sequence[str]
) -> dict[str, Any]:
    """Computes all numbers of the comparison.

    Each class is measured on a single test set, which labels and shows it: an old class on ``'old'`` if possible, a new
    class on the first of ``judges`` that does. So every IoU is what MMSegmentation measures on that set.

    ``comparisons`` and ``titles`` are by test set: ``'new'``, and ``'old'`` if there is one.

    Returns:
        Plain values, None for what is not defined.
    """
    num_old = step.num_old
    sets = {name: summarize_set(step, counts, titles[name]) for name, counts in comparisons.items()}
    same, agreement = agreement_iou(np.sum([counts.agreement for counts in comparisons.values()], axis=0))
    classes: list[dict[str, Any]] = []
    for index, name in enumerate(step.names):
        judge = _judge(comparisons, index, ('old', 'new') if index < num_old else judges)
        found = sets[judge]['classes'][index] if judge else {'before': np.nan, 'after': np.nan, 'pixels': 0}
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
    before, after = (np.array([item[key] for item in classes]) for key in ('before', 'after'))
    confusion, confusion_before = (_joined(comparisons, judged_on, step, key) for key in ('after', 'before'))
    old, new, unlabelled = confusion[:num_old], confusion[num_old : step.num_seen], confusion[-1]
    return plain(
        {
            'num_old': num_old,
            'num_new': step.num_new,
            'background': step.background,
            # Without a labelled pixel of an old class there is no IoU, only agreement with the old model.
            'measured': not np.isnan(before[:num_old]).all(),
            'classes': classes,
            'old_before': nan_mean(before[:num_old]),
            'old_after': nan_mean(after[:num_old]),
            'new_after': nan_mean(after[num_old:]),
            # A mean over classes on different images would look like MMSegmentation's mIoU without being one.
            'all_after': nan_mean(after) if len(set(judged_on)) == 1 else None,
            'agreement_pixels': same,
            'agreement': nan_mean(agreement),
            'old_called_new': _share(old[:, num_old:].sum(), old.sum()),
            'new_called_old': _share(new[:, :num_old].sum(), new.sum()),
            'unlabelled_called_new': _share(unlabelled[num_old:].sum(), unlabelled.sum()),
            'confusion': confusion,
            'confusion_before': confusion_before,
            'images': {name: counts.num_images for name, counts in comparisons.items()},
            'sets': sets,
        }
    )


def summarize_set(step: Step, counts: Comparison, title: str) -> dict[str, Any]:
    """Returns the results of one test set by itself; its confusions include all pixels.

    Where its labels cannot tell, ``open_pixels`` are left out of the counts; ``background_if_wrong`` is the
    background's IoU if they count as mistakes, as in MMSegmentation's ``IoUMetric``.
    """
    labelled, background = counts.labelled, counts.background
    before, after = (class_iou(table, labelled, background) for table in (counts.before, counts.after))
    left_out = int((counts.after - decidable_counts(counts.after, labelled, background)).sum())
    return {
        'title': title,
        'images': counts.num_images,
        'labelled': [step.names[index] for index in sorted(labelled)],
        'classes': [
            {
                'id': index,
                'name': name,
                'before': before[index] if index < step.num_old else np.nan,
                'after': after[index],
                'pixels': int(counts.after[index].sum()),
            }
            for index, name in enumerate(step.names)
        ],
        'open_pixels': left_out,
        'open_share': _share(left_out, counts.after[0].sum()) if left_out else 0.0,
        'background_if_wrong': class_iou(counts.after, range(step.num_seen), background)[0] if left_out else None,
        'mean_before': nan_mean(before),
        'mean_after': nan_mean(after),
        'plain_mean_before': plain_mean(counts.before, labelled),
        'plain_mean_after': plain_mean(counts.after, labelled),
        'confusion': counts.after,
        'confusion_before': counts.before,
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


def _share(part: Any, whole: Any) -> float:
    return 100 * int(part) / int(whole) if whole else np.nan
