"""Entropy thresholds: below its class's, a teacher's prediction is accepted as a pseudo label."""

from __future__ import annotations

import math

import torch
from torch import Tensor

BINS = 100


def entropy_thresholds(entropies: Tensor, classes: Tensor, num_classes: int, minimum: float = 0.001) -> Tensor:
    """Returns each class's median entropy, the thresholds of PLOP's paper (arXiv 2011.11390).

    Args:
        entropies: Normalised entropies of pixels, any shape.
        classes: The teacher's prediction at the same pixels, same shape.
        num_classes: Number of thresholds.
        minimum: Lower bound of the thresholds, and the threshold of classes that were never predicted.

    Returns:
        Thresholds, shape ``(num_classes,)``.

    Raises:
        ValueError: If the two shapes differ.
    """
    if entropies.shape != classes.shape:
        raise ValueError(f'entropies {tuple(entropies.shape)} and classes {tuple(classes.shape)} differ in shape')
    entropies, classes = entropies.flatten(), classes.flatten()
    entropies, order = entropies.sort()
    order = classes[order].sort(stable=True).indices
    entropies = entropies[order]  # by class, ascending within each
    counts = torch.bincount(classes, minlength=num_classes)[:num_classes]
    present = counts > 0
    last = (counts.cumsum(0) - 1)[present]
    first = last - counts[present] + 1
    # The mean of the two middle values, which are the same one if the number of values is odd.
    median = (entropies[(first + last).div(2, rounding_mode='floor')] + entropies[(first + last + 1) // 2]) / 2
    thresholds = entropies.new_full((num_classes,), minimum)
    thresholds[present] = median.clamp(min=minimum)
    return thresholds


def entropy_histogram(
    entropies: Tensor, classes: Tensor, num_classes: int, bins: int = BINS, maximum: float = 1.0
) -> Tensor:
    """Counts entropies per class in equal bins, a summary that adds up over batches and processes.

    Args:
        entropies: Normalised entropies, any shape.
        classes: Predictions at the same pixels.
        num_classes: Number of rows.
        bins: Number of bins in ``[0, maximum]``; the last takes larger values too.
        maximum: Upper end of the last bin.

    Returns:
        Counts, shape ``(num_classes, bins)``, int64.
    """
    index = (entropies.flatten() * (bins / maximum)).long().clamp(0, bins - 1)
    counts = torch.bincount(classes.flatten() * bins + index, minlength=num_classes * bins)
    return counts.view(num_classes, bins)


def histogram_medians(histogram: Tensor, minimum: float = 0.001, maximum: float = 1.0) -> Tensor:
    """Returns each row's median, interpolated inside its bin.

    Args:
        histogram: Counts from :func:`entropy_histogram`, shape ``(C, bins)``. The error is below ``maximum / bins``. As
            with the exact median, an even number of values gives the mean of the two middle ones.
        minimum: Lower bound of a median, and the value of empty rows.
        maximum: Upper end of the last bin.

    Returns:
        Shape ``(C,)``, float64.
    """
    cumulated = histogram.cumsum(1)
    count = cumulated[:, -1:]
    middle = torch.cat([(count - 1).clamp(min=0) // 2, count // 2], 1)  # ranks from 0
    index = torch.searchsorted(cumulated, middle, right=True).clamp(max=histogram.shape[1] - 1)
    inside = histogram.gather(1, index)
    rank = middle - (cumulated.gather(1, index) - inside)  # within its bin
    values = index + (rank.double() + 0.5) / inside.clamp(min=1)
    median = values.mean(1) * (maximum / histogram.shape[1])
    return median.masked_fill(count.squeeze(1) == 0, minimum).clamp(min=minimum)


def binned_thresholds(histogram: Tensor, minimum: float = 0.001) -> Tensor:
    """Returns the thresholds of PLOP's released code, found by walking over 100 bins.

    The walk should stop in the bin of the median, but it adds up the bins' indices in place of their counts. Where one
    bin holds half of a class it interpolates inside that bin: with the entropies of a trained teacher this is the first
    one, and the threshold lies between 0.005 and 0.01. Elsewhere it ends at the lower bound or at infinity.

    Args:
        histogram: Counts in 100 bins over ``[0, 1]``, shape ``(C, 100)``.
        minimum: Lower bound.

    Returns:
        Shape ``(C,)``, float32.
    """
    medians = [_walked_median(row) for row in histogram.tolist()]
    return torch.tensor(medians, device=histogram.device).clamp(min=minimum)


def _walked_median(counts: list[int]) -> float:
    half, running = sum(counts) / 2, 0.0
    lower, inside = 0.0, 0
    if not half:
        return 0.0
    for k in range(BINS):
        lower = k / BINS
        inside = counts[int(lower * BINS)]  # floating point: bin k - 1 for k = 29, 57, 58
        if running <= half <= running + inside:
            break
        running += lower * BINS  # the index, in place of the count
    missing = half - running
    if inside:
        return lower + missing / inside / BINS
    return math.copysign(math.inf, missing) if missing else 0.0
