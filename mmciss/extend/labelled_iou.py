"""IoU of the classes that a test set labels."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from mmciss.extend.comparison import Comparison


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


def class_iou(table: np.ndarray, labelled: Collection[int], background: bool) -> list[float | None]:
    """Returns the IoU in percent of each column's class; None if the test set does not label or never shows it.

    For a test set that labels all classes this is MMSegmentation's ``IoUMetric``. If a table has fewer columns than
    there are true classes, the model does not know the others, and all their pixels are mistakes.

    Args:
        table: ``before`` or ``after`` of :class:`Comparison`, ``(K + N + 1, columns)``.
        labelled: The classes that the test set labels.
        background: Whether class 0 is the background.

    Examples:
        >>> table = np.array([[6, 0, 2], [1, 3, 0], [0, 0, 0], [0, 0, 0]])
        >>> class_iou(table, {0, 1}, background=True)[0], class_iou(table, {0, 1, 2}, background=True)[0]
        (85.71428571428571, 66.66666666666667)
    """
    told = decidable_counts(table, labelled, background)
    found: list[float | None] = []
    for channel in range(told.shape[1]):
        true, hit = int(told[channel].sum()), int(told[channel, channel])
        # The background is the right answer for pixels of classes that no model knows.
        rows = told[:-1] if background and channel == 0 else told
        claimed = int(rows[:, channel].sum())
        found.append(100 * hit / (true + claimed - hit) if true and channel in labelled else None)
    return found


def open_pixels(counts: Comparison) -> int:
    """Returns how many pixels :func:`decidable_counts` removes from the extended model's counts."""
    return int((counts.after - decidable_counts(counts.after, counts.labelled, counts.background)).sum())


def background_if_wrong(counts: Comparison) -> float | None:
    """Returns the background's IoU in percent if the removed pixels count as mistakes of the extended model.

    This is what MMSegmentation's ``IoUMetric`` measures with these labels.
    """
    if not counts.background or 0 not in counts.labelled:
        return None
    return class_iou(counts.after, range(counts.after.shape[1]), counts.background)[0]


def plain_mean(table: np.ndarray, labelled: Collection[int]) -> float | None:
    """Returns MMSegmentation's mIoU in percent over the columns that a test set labels, with all pixels.

    A class that no pixel shows counts as 0 once the model predicts it.

    Args:
        table: ``before`` or ``after`` of :class:`Comparison`.
        labelled: The classes that the test set labels.

    Examples:
        >>> round(plain_mean(np.array([[6, 0, 2], [1, 3, 0], [0, 0, 0], [0, 0, 0]]), {0, 1, 2}), 2)
        47.22
    """
    hit = np.diagonal(table)
    union = table[: table.shape[1]].sum(1) + table.sum(0) - hit
    ious = [
        100 * float(hit[channel]) / int(union[channel])
        for channel in sorted(labelled)
        if channel < table.shape[1] and union[channel]
    ]
    return sum(ious) / len(ious) if ious else None


def agreement_iou(table: np.ndarray) -> tuple[float | None, list[float | None]]:
    """Compares both models where no new class is labelled; the old model's classes count as true.

    Args:
        table: ``agreement`` of :class:`Comparison`.

    Returns:
        In percent, the share of pixels with the same class, and the IoU of every old class, None if the old model never
        predicts it.
    """
    total = int(table.sum())
    ious: list[float | None] = []
    for channel, row in enumerate(table):
        true, hit, claimed = int(row.sum()), int(row[channel]), int(table[:, channel].sum())
        ious.append(None if not true else 100 * hit / (true + claimed - hit))
    return (100 * int(np.trace(table)) / total if total else None), ious
