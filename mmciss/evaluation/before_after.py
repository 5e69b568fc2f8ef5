"""What a model says before and after it learned new classes, on test sets that may label different classes."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor

from mmciss.evaluation.confusion import confusion_matrix, iou_from_confusion
from mmciss.evaluation.continual import nan_mean
from mmciss.evaluation.summary import plain
from mmciss.protocols.labels import IGNORE, UNKNOWN
from mmciss.protocols.step import Step


class PartialConfusion:
    """Pixels by true and predicted class on a test set that labels only some classes.

    If a test set does not label a class, its 'background' means 'background, or a class that is not labelled here'. A
    model that predicts such a class there may be right, so the pixel counts neither for nor against it.

    Args:
        counts: ``(C + 1, columns)``, changed in place by :meth:`add`. Rows are the true classes and, last, pixels that
            are labelled as none of the labelled classes. Columns are the classes that the model knows, ``C`` at most.
        labelled: The classes that the test set labels.
        background: Whether class 0 is the background, which means 'none of the labelled classes'.
    """

    def __init__(self, counts: np.ndarray, labelled: Collection[int], background: bool) -> None:
        self.counts, self.labelled, self.background = counts, frozenset(labelled), background

    def add(self, prediction: Tensor, label: Tensor) -> None:
        """Counts one image, whose maps ``(H, W)`` hold classes; the label ``C`` is the last row, others are ignored."""
        rows, columns = self.counts.shape
        self.counts += confusion_matrix(prediction, label, rows)[:, :columns]

    @cached_property
    def unlabelled(self) -> list[int]:
        """The classes that the model knows and the test set does not label."""
        return [channel for channel in range(self.counts.shape[1]) if channel not in self.labelled]

    @property
    def decidable(self) -> np.ndarray:
        """The counts without pixels whose labels cannot tell whether the prediction is right."""
        counts = self.counts.copy()
        if self.background and 0 in self.labelled:
            counts[0, self.unlabelled] = 0
        return counts

    def iou(self) -> np.ndarray:
        """Returns the IoU of each column's class in percent; NaN if the test set does not label or never shows it.

        For a test set that labels all classes this is MMSegmentation's ``IoUMetric``. True classes without a column are
        unknown to the model, and all their pixels are mistakes.

        Examples:
            >>> counts = np.array([[6, 0, 2], [1, 3, 0], [0, 0, 0], [0, 0, 0]])
            >>> PartialConfusion(counts, {0, 1}, background=True).iou().round(2).tolist()
            [85.71, 75.0, nan]
            >>> PartialConfusion(counts, {0, 1, 2}, background=True).iou().round(2).tolist()
            [66.67, 75.0, nan]
        """
        counts = self.decidable
        if self.background:
            counts[-1, 0] = 0  # the background is the right answer for pixels of classes that no model knows
        found = iou_percent(counts)
        found[self.unlabelled] = np.nan
        return found

    def mmseg_mean(self) -> float:
        """Returns MMSegmentation's mIoU over the labelled classes that the model knows, with all pixels, in percent.

        A class that no pixel shows counts as 0 once the model predicts it.

        Examples:
            >>> counts = np.array([[6, 0, 2], [1, 3, 0], [0, 0, 0], [0, 0, 0]])
            >>> round(PartialConfusion(counts, {0, 1, 2}, background=True).mmseg_mean(), 2)
            47.22
        """
        return nan_mean(np.delete(iou_percent(self.counts, absent='mmseg'), self.unlabelled))


def iou_percent(counts: np.ndarray, absent: str = 'exclude') -> np.ndarray:
    """Returns the IoU of each column's class in percent from counts ``(rows, columns)``.

    Classes that one side does not know have counts of zero there; ``absent`` is as for
    :func:`~mmciss.evaluation.confusion.iou_from_confusion`.
    """
    rows, columns = counts.shape
    square = np.pad(counts, ((0, max(0, columns - rows)), (0, max(0, rows - columns))))
    return 100 * iou_from_confusion(square, absent)[:columns]


class BeforeAfter:
    """What both models say on a test set: pixels, counted for ``K`` old and ``N`` new classes; at first all are 0.

    Args:
        step: The step that learned the new classes.
        labelled: The classes that the test set labels.
        title: What the test images are called.

    Attributes:
        before: Those of the old model, ``(K + N + 1, K)``.
        after: Those of the extended model, ``(K + N + 1, K + N)``.
        agreement: Old model's class (row) and extended model's class, ``(K, K + N)``, on pixels without a label of a
            new class. Pixels where the labels cannot tell whether a predicted new class is right are left out.
        num_images: Number of images.
    """

    def __init__(self, step: Step, labelled: Collection[int], title: str) -> None:
        self.before, self.after = (
            PartialConfusion(np.zeros((step.num_seen + 1, columns), dtype=np.int64), labelled, step.background)
            for columns in (step.num_old, step.num_seen)
        )
        self.agreement = np.zeros((step.num_old, step.num_seen), dtype=np.int64)
        self.title, self.num_images = title, 0

    def add(self, label: Tensor, before: Tensor, after: Tensor) -> None:
        """Counts one image: label (channels, :data:`UNKNOWN` or 255) and predictions, all ``(H, W)`` integers."""
        num_old, total = self.agreement.shape
        label = label.to(torch.int64).masked_fill(label == UNKNOWN, total)
        self.before.add(before, label)
        self.after.add(after, label)
        left_open = (label == total) | ((label == 0) & self.after.background)
        unjudged = torch.tensor([new for new in self.after.unlabelled if new >= num_old], device=after.device)
        says_nothing = ((label >= num_old) & (label != total)) | (left_open & torch.isin(after, unjudged))
        self.agreement += confusion_matrix(after, before.masked_fill(says_nothing, IGNORE), total)[:num_old]
        self.num_images += 1


def summarize(step: Step, comparisons: Mapping[str, BeforeAfter], judges: Sequence[str]) -> dict[str, Any]:
    """Computes all numbers from the counts of every test set; IoUs are in percent.

    Each class is measured on a single test set, which labels and shows it: an old class on ``'old'`` if possible, a new
    class on the first of ``judges`` that does. So every IoU is what MMSegmentation measures on that set.

    The test sets of ``comparisons`` are ``'new'``, and ``'old'`` if there is one.

    Returns:
        Plain values, None for what is not defined.
    """
    num_old = step.num_old
    sets = {name: summarize_set(step, counts) for name, counts in comparisons.items()}
    agreed = np.sum([counts.agreement for counts in comparisons.values()], axis=0)
    agreement = iou_percent(agreed)[:num_old]
    orders: list[Sequence[str]] = [('old', 'new')] * num_old + [judges] * step.num_new
    judged_on = [_judge(comparisons, index, order) for index, order in enumerate(orders)]
    unjudged = {'before': np.nan, 'after': np.nan, 'pixels': 0}
    classes: list[dict[str, Any]] = []
    for index, judge in enumerate(judged_on):
        found = {'id': index, 'name': step.names[index], **(sets[judge]['classes'][index] if judge else unjudged)}
        own = agreement[index] if index < num_old else None
        classes.append(found | {'new': index >= num_old, 'judged_on': judge, 'agreement': own})
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
            'agreement_pixels': _share(np.trace(agreed), agreed.sum()),
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


def summarize_set(step: Step, counts: BeforeAfter) -> dict[str, Any]:
    """Returns the results of one test set by itself; its confusions include all pixels.

    Where its labels cannot tell, ``open_pixels`` are left out of the counts; ``background_if_wrong`` is the
    background's IoU if they count as mistakes, as in MMSegmentation's ``IoUMetric``.
    """
    table = counts.after.counts
    before, after = np.full(step.num_seen, np.nan), counts.after.iou()
    before[: step.num_old] = counts.before.iou()
    left_out = int((table - counts.after.decidable).sum())
    strict = PartialConfusion(table, range(step.num_seen), step.background)
    pixels = table.sum(1)
    return {
        'title': counts.title,
        'images': counts.num_images,
        'labelled': [step.names[index] for index in sorted(counts.after.labelled)],
        'classes': [
            {'id': index, 'name': name, 'before': before[index], 'after': after[index], 'pixels': int(pixels[index])}
            for index, name in enumerate(step.names)
        ],
        'open_pixels': left_out,
        'open_share': _share(left_out, pixels[0]) if left_out else 0.0,
        'background_if_wrong': strict.iou()[0] if left_out else None,
        'mean_before': nan_mean(before),
        'mean_after': nan_mean(after),
        'plain_mean_before': counts.before.mmseg_mean(),
        'plain_mean_after': counts.after.mmseg_mean(),
        'confusion': table,
        'confusion_before': counts.before.counts,
    }


def _judge(comparisons: Mapping[str, BeforeAfter], channel: int, order: Sequence[str]) -> str | None:
    for name in order:
        found = comparisons[name].after if name in comparisons else None
        if found is not None and channel in found.labelled and found.counts[channel].any():
            return name
    return None


def _joined(
    comparisons: Mapping[str, BeforeAfter], judged_on: Sequence[str | None], step: Step, key: str
) -> np.ndarray:
    """Returns each class's row from the set it is measured on, and unlabelled pixels from the sets of new classes."""
    told = {name: getattr(counts, key).decidable for name, counts in comparisons.items()}
    joined = np.zeros_like(next(iter(told.values())))
    for channel, name in enumerate(judged_on):
        if name is not None:
            joined[channel] = told[name][channel]
    for name in {name for name in judged_on[step.num_old :] if name is not None}:
        joined[-1] += told[name][-1]
    return joined


def _share(part: Any, whole: Any) -> float:
    return 100 * int(part) / int(whole) if whole else np.nan
