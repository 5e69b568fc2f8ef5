"""Scores on test sets that label only some of the classes that a model knows."""

from __future__ import annotations

from collections.abc import Collection
from functools import cached_property

import numpy as np
from torch import Tensor

from mmciss.evaluation.confusion import confusion_matrix, iou_from_confusion
from mmciss.evaluation.continual import nan_mean


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
