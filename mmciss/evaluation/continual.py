"""Measures of continual learning: pure functions of ``IoU[step][class]``.

Everywhere, ``iou`` has the shape ``(T, C)``: T steps, C channels in order of arrival (background first, if the protocol
has one), NaN where a class was not learned yet, is absent from the ground truth, or a step has no result. ``sizes`` are
the channels added by each step; the first entry counts the background. NaN entries are left out of every mean, and a
mean over nothing is NaN. Units (fractions or percent) pass through.

Two pairs of words are kept apart. **old / new** is the papers' pair and never moves: the classes of step 0 against all
later ones. **before / current** is relative to a step: what was learned before it against what it adds.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def learned_at(sizes: Sequence[int]) -> np.ndarray:
    """Returns the step ``(C,)`` in which each channel was added.

    Examples:
        >>> learned_at([3, 1, 2]).tolist()
        [0, 0, 0, 1, 2, 2]
    """
    return np.repeat(np.arange(len(sizes)), np.asarray(sizes, dtype=int))


def channel_groups(sizes: Sequence[int], background: bool, count_background: bool) -> dict[str, np.ndarray]:
    """Returns the channels of the papers' groups.

    Args:
        sizes: Channels added by each step.
        background: Whether channel 0 is the background.
        count_background: Whether the background belongs to ``old`` and ``all``. Papers differ: it
            does in PLOP, AWT, RCIL, DKD, SSUL and GSC, and does not in MiB.

    Returns:
        ``{'old': ..., 'new': ..., 'all': ...}``, arrays of channels.

    Examples:
        >>> {k: v.tolist() for k, v in channel_groups([3, 1, 1], True, False).items()}
        {'old': [1, 2], 'new': [3, 4], 'all': [1, 2, 3, 4]}
    """
    first = 1 if background and not count_background else 0
    total = int(sum(sizes))
    return {'old': np.arange(first, sizes[0]), 'new': np.arange(sizes[0], total), 'all': np.arange(first, total)}


def nan_mean(values: np.ndarray) -> float:
    """Returns the mean of the entries that are not NaN; NaN, without a warning, if there are none."""
    values = np.asarray(values, dtype=np.float64)
    values = values[~np.isnan(values)]
    return float(values.mean()) if values.size else float('nan')


def old_new_all(
    row: np.ndarray, sizes: Sequence[int], background: bool = True, count_background: bool = True
) -> dict[str, float]:
    """Returns the mean IoU of the base classes, of all later classes, and of both.

    Args:
        row: IoU ``(C',)`` after one step; may be shorter than the channels of ``sizes``.
        sizes: Channels added by each step.
        background: Whether channel 0 is the background.
        count_background: Whether to count it.

    Returns:
        ``{'old': ..., 'new': ..., 'all': ...}``.
    """
    full = np.full(max(int(sum(sizes)), len(row)), np.nan)
    full[: len(row)] = row
    groups = channel_groups(sizes, background, count_background)
    return {name: nan_mean(full[channels]) for name, channels in groups.items()}


def before_current(
    row: np.ndarray, sizes: Sequence[int], step: int, background: bool = True, count_background: bool = True
) -> dict[str, float]:
    """Returns the mean IoU of what was learned before a step, and of what the step adds.

    At step 0 nothing was learned before: the background and the base classes are current.

    Returns:
        ``{'before': ..., 'current': ...}``.
    """
    arrival = learned_at(sizes)[: len(row)]
    row = np.asarray(row, dtype=np.float64)[: len(arrival)]
    counted = np.ones(len(arrival), dtype=bool)
    if background and not count_background:
        counted[0] = False
    return {'before': nan_mean(row[counted & (arrival < step)]), 'current': nan_mean(row[counted & (arrival == step)])}


def harmonic_mean(old: float, new: float) -> float:
    """Returns ``2 old new / (old + new)``, DKD's hIoU; 0 if both are 0.

    Examples:
        >>> harmonic_mean(60.0, 30.0)
        40.0
    """
    return 2 * old * new / (old + new) if old + new != 0 else 0.0


def average_over_steps(iou: np.ndarray, channels: np.ndarray | None = None) -> float:
    """Returns the mean over all steps, step 0 included, of each step's mean IoU (PLOP's ``avg``)."""
    iou = np.asarray(iou, dtype=np.float64)
    return nan_mean(np.array([nan_mean(row if channels is None else row[channels]) for row in iou]))


def forgetting(iou: np.ndarray, sizes: Sequence[int]) -> np.ndarray:
    """Returns how far each class has fallen from its best (Chaudhry et al. 2018, arXiv 1801.10112, eq. 3).

    ``F_c = max_{k < T-1} IoU[k][c] - IoU[T-1][c]`` over the steps k that knew class c. Negative if the class ended
    better than ever before. NaN for the classes of the last step, which had no time to be forgotten.

    Returns:
        Forgetting ``(C,)``.
    """
    iou = np.asarray(iou, dtype=np.float64)
    known = iou[:-1].copy()
    known[np.arange(len(known))[:, None] < learned_at(sizes)[None, : iou.shape[1]]] = np.nan
    # fmax skips NaN and, unlike nanmax, has nothing to say about columns that are NaN throughout.
    best = np.fmax.reduce(known, axis=0, initial=np.nan) if len(known) else np.full(iou.shape[1], np.nan)
    return best - iou[-1]


def backward_transfer(iou: np.ndarray, sizes: Sequence[int]) -> np.ndarray:
    """Returns how later steps changed each class (Lopez-Paz and Ranzato 2017, 1706.08840, eq. 3).

    ``BWT_c = IoU[T-1][c] - IoU[k_c][c]`` with ``k_c`` the step that taught class c. Negative means
    forgotten. NaN for the classes of the last step.

    Returns:
        Backward transfer ``(C,)``.
    """
    iou = np.asarray(iou, dtype=np.float64)
    arrival = learned_at(sizes)[: iou.shape[1]]
    first = iou[np.minimum(arrival, len(iou) - 1), np.arange(len(arrival))]
    return np.where(arrival < len(iou) - 1, iou[-1] - first, np.nan)


def summarize(
    iou: np.ndarray, sizes: Sequence[int], background: bool = True, count_background: bool = True
) -> dict[str, float]:
    """Returns the numbers of one run that tables print.

    Args:
        iou: IoU ``(T, C)``; the last row is the final result.
        sizes: Channels added by each step.
        background: Whether channel 0 is the background.
        count_background: Whether means include it.

    Returns:
        ``old``, ``new``, ``all``, ``harmonic``, ``average`` (over steps), ``forgetting`` and
        ``backward_transfer`` (means over classes).
    """
    iou = np.asarray(iou, dtype=np.float64)
    channels = channel_groups(sizes, background, count_background)['all']
    channels = channels[channels < iou.shape[1]]
    final = old_new_all(iou[-1], sizes, background, count_background)
    return {
        **final,
        'harmonic': harmonic_mean(final['old'], final['new']),
        'average': average_over_steps(iou, channels),
        'forgetting': nan_mean(forgetting(iou, sizes)[channels]),
        'backward_transfer': nan_mean(backward_transfer(iou, sizes)[channels]),
    }
