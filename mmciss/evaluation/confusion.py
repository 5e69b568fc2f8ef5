"""Confusion matrices, and the scores read from them."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

ABSENT_RULES = ('exclude', 'zero', 'mmseg')
"""What the IoU of a class without a single ground-truth pixel is, see :func:`iou_from_confusion`."""


def confusion_matrix(prediction: Tensor, label: Tensor, num_classes: int, ignore_index: int = 255) -> np.ndarray:
    """Counts pixels by true and predicted class, in one pass and without a mask.

    Both maps are clamped into ``-1..num_classes``, so that everything outside the classes lands in a border row or
    column of a matrix with ``num_classes + 2`` rows, which is cut off. This is several times faster than selecting the
    valid pixels first.

    Args:
        prediction: Predicted classes ``(...)``, integers.
        label: True classes of the same shape, integers. Pixels with an id outside ``0..num_classes
            - 1`` are dropped, and so are those with ``ignore_index``.
        num_classes: The number of classes ``n``.
        ignore_index: An id to drop even if it is a class.

    Returns:
        Counts ``(n, n)``, int64, rows = ground truth, columns = prediction.

    Raises:
        ValueError: If the shapes differ, or a pixel that counts is predicted as an id outside the classes.

    Examples:
        >>> confusion_matrix(torch.tensor([0, 1, 1, 0]), torch.tensor([0, 1, 0, 255]), 2)
        array([[1, 1],
               [0, 1]])
    """
    if prediction.shape != label.shape:
        raise ValueError(f'prediction {tuple(prediction.shape)} and label {tuple(label.shape)} differ in shape')
    side = num_classes + 2
    label = label.to(prediction.device)
    index = _bordered(label, num_classes).mul_(side).add_(_bordered(prediction, num_classes)).add_(side + 1)
    counts = torch.bincount(index.flatten(), minlength=side * side).reshape(side, side).cpu().numpy()
    if 0 <= ignore_index < num_classes:
        counts[ignore_index + 1] = 0
    rows = counts[1:-1]
    if rows[:, 0].any() or rows[:, -1].any():
        raise ValueError(
            f'a prediction is outside the {num_classes} classes: found '
            f'{int(prediction.min())} to {int(prediction.max())}, allowed 0 to {num_classes - 1}'
        )
    return np.ascontiguousarray(rows[:, 1:-1], dtype=np.int64)


def _bordered(ids: Tensor, num_classes: int) -> Tensor:
    """Clamps ids into -1..num_classes as a new int32 tensor (half the memory traffic of int64)."""
    return ids.to(torch.int32, copy=True).clamp_(-1, num_classes)


def iou_from_confusion(confusion: np.ndarray, absent: str = 'exclude') -> np.ndarray:
    """Returns the intersection over union of every class.

    ``IoU_c = K_cc / (row_c + col_c - K_cc)``. Papers differ in a class that no ground-truth pixel has:

    * ``'exclude'`` (default; MiB, PLOP, AWT, SDR, RCIL): NaN, so that means leave it out, even if it was predicted.
    * ``'zero'`` (DKD, SSUL): 0, so that it lowers the means.
    * ``'mmseg'`` (MMSegmentation's ``IoUMetric``): NaN only if it was not predicted either, else 0.

    The papers' code adds 1e-6 to denominators against 0/0; here that case is handled by the rule itself.

    Args:
        confusion: Counts ``(n, n)``, rows = ground truth.
        absent: One of :data:`ABSENT_RULES`.

    Returns:
        IoU ``(n,)`` as fractions, float64.

    Raises:
        ValueError: If the matrix is not square, or the rule unknown.

    Examples:
        >>> confusion = np.array([[3, 0, 1], [0, 2, 0], [0, 0, 0]])
        >>> iou_from_confusion(confusion)
        array([0.75, 1.  ,  nan])
        >>> iou_from_confusion(confusion, absent='zero')
        array([0.75, 1.  , 0.  ])
    """
    confusion = _square(confusion)
    if absent not in ABSENT_RULES:
        raise ValueError(f'absent: unknown rule {absent!r}. Allowed: {", ".join(ABSENT_RULES)}.')
    hit = np.diagonal(confusion).astype(np.float64)
    rows, union = confusion.sum(1), confusion.sum(1) + confusion.sum(0) - hit
    iou = np.divide(hit, union, out=np.full(len(hit), np.nan), where=union > 0)
    if absent == 'exclude':
        iou[rows == 0] = np.nan
    elif absent == 'zero':
        iou[rows == 0] = 0.0
    return iou


def accuracy_from_confusion(confusion: np.ndarray) -> tuple[float, np.ndarray]:
    """Returns the share of correct pixels, over all and per class (recall).

    Args:
        confusion: Counts ``(n, n)``, rows = ground truth.

    Returns:
        Overall accuracy (NaN without any pixel), and accuracy per class ``(n,)`` with NaN for
        classes without ground truth; fractions.
    """
    confusion = _square(confusion)
    hit, rows = np.diagonal(confusion).astype(np.float64), confusion.sum(1)
    overall = float(hit.sum() / rows.sum()) if rows.sum() else float('nan')
    return overall, np.divide(hit, rows, out=np.full(len(hit), np.nan), where=rows > 0)


def confusion_shares(confusion: np.ndarray) -> np.ndarray:
    """Returns the confusion matrix ``(n, n)`` as shares of each class's pixels; zero for classes without ground truth.

    Examples:
        >>> confusion_shares(np.array([[3, 1], [0, 0]]))
        array([[0.75, 0.25],
               [0.  , 0.  ]])
    """
    confusion = _square(confusion).astype(np.float64)
    return confusion / np.maximum(confusion.sum(1, keepdims=True), 1)


def _square(confusion: np.ndarray) -> np.ndarray:
    confusion = np.asarray(confusion)
    if confusion.ndim != 2 or confusion.shape[0] != confusion.shape[1]:
        raise ValueError(f'a confusion matrix is square, found shape {confusion.shape}')
    return confusion
