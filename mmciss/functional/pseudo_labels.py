"""Pseudo labels: a teacher's predictions of old classes where they can be trusted, and the thresholds of that trust."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from .numerics import at_least_float32, channel_argmax, exponentials, first_hit, wide_type
from .resampling import UpsampledBlocks

PROBABILITIES: dict[str, Callable[[Tensor], Tensor]] = {
    'sigmoid': lambda scores: torch.sigmoid(scores.amax(1)),
    'softmax': lambda scores: (scores.amax(1) - scores.logsumexp(1)).exp(),
}
"""Probability ``(N, H, W)`` of the largest of the scores ``(N, C, H, W)``."""


def threshold_pseudo_labels(
    target: Tensor,
    teacher_logits: Tensor,
    threshold: float = 0.7,
    num_background: int = 1,
    probability: str = 'sigmoid',
) -> Tensor:
    """Adds pseudo labels by SSUL's rule (NeurIPS 2021, arXiv 2106.11562).

    A pixel without a class label becomes the channel ``c`` of the teacher's largest score where ``c`` is a class and
    its probability at least ``threshold``; every other label stays.

    Args:
        target: Channels or the label of ignored pixels, shape ``(N, H, W)``.
        teacher_logits: Teacher scores at the size of ``target``, shape ``(N, C_old, H, W)``.
        threshold: Smallest accepted probability.
        num_background: Number of leading channels that are not classes: 1 for the background, 2 if a channel for
            unknown classes comes first.
        probability: Of the score alone, ``'sigmoid'``, or among all, ``'softmax'``.

    Returns:
        New labels, shape ``(N, H, W)``.
    """
    scores = at_least_float32(teacher_logits)
    predicted = channel_argmax(scores)
    accepted = (PROBABILITIES[probability](scores) >= threshold) & (predicted >= num_background)
    return torch.where(accepted & (target < num_background), predicted, target)


def ignore_unsure_background(target: Tensor, teacher_logits: Tensor, ignore_index: int = 255) -> Tensor:
    """Ignores background that is more likely something else, MBS's selective pseudo-labels (ECCV 2024).

    Args:
        target: Channels or ``ignore_index``, shape ``(N, H, W)``.
        teacher_logits: Teacher scores at the size of ``target``, shape ``(N, C_old, H, W)``.
        ignore_index: What pixels labelled background become where the softmax of the teacher's background is less than
            that of all other classes together.

    Returns:
        New labels, shape ``(N, H, W)``.
    """
    scores = at_least_float32(teacher_logits)
    if scores.shape[1] == 1:
        return target
    unsure = scores[:, 0] < scores[:, 1:].logsumexp(1)
    return target.masked_fill((target == 0) & unsure, ignore_index)


def normalised_entropy(
    teacher_logits: Tensor, num_seen: int, size: tuple[int, ...] | None = None, align_corners: bool = False
) -> tuple[Tensor, Tensor]:
    r"""Returns the uncertainty and the prediction of a teacher for each pixel.

    With ``q = softmax(teacher_logits)`` over ``C_old`` channels and C channels in all:

    .. math:: v = -\frac{1}{C_{old} \ln C_{old} \ln C} \sum_c q_c \ln(q_c + 10^{-8})

    PLOP normalises twice, by ``C_old ln C_old`` and by ``ln C``; since thresholds are quantiles of the same quantity
    this changes nothing but their scale and their floor.

    Args:
        teacher_logits: Shape ``(N, C_old, H, W)``.
        num_seen: Number C of all channels.
        size: Height and width to which scores are upsampled bilinearly first, without a map of that size being made;
            None for the size they have.
        align_corners: How they are upsampled.

    Returns:
        ``v`` in ``[0, 1 / (C_old ln C)]`` and the predicted channels, both ``(N, H, W)``.
    """
    num_old = teacher_logits.shape[1]
    size = tuple(teacher_logits.shape[-2:] if size is None else size)
    entropy = teacher_logits.new_empty((len(teacher_logits), *size), dtype=wide_type(teacher_logits))
    predicted = torch.empty_like(entropy, dtype=torch.long)
    blocks = UpsampledBlocks(teacher_logits.detach(), size, align_corners)
    for place in blocks:
        found = exponentials(blocks.read(*place))
        predicted[place] = first_hit((found.values == 1).to(entropy), 0)
        q = found.values.mul_(found.total.reciprocal())
        entropy[place] = torch.add(q, 1e-8).log_().mul_(q).sum(0)
    # With one channel the entropy is 0, and so is ln 1, by which it must not be divided.
    scale = num_old * max(math.log(num_old), 1e-8) * max(math.log(num_seen), 1e-8)
    return entropy.div_(-scale), predicted


def entropy_pseudo_labels(
    target: Tensor,
    teacher_logits: Tensor,
    thresholds: Tensor,
    num_old: int,
    num_seen: int,
    ignore_index: int = 255,
    minimum_factor: float = 0.0,
    full_factor: float = 0.0,
    align_corners: bool = False,
) -> tuple[Tensor, Tensor]:
    r"""Adds pseudo labels by PLOP's rule (CVPR 2021, arXiv 2011.11390).

    A pixel labelled with an old channel (background, under labels that hide old classes) becomes the teacher's
    prediction ``c`` where the teacher's entropy ``v < thresholds[c]``, and ``ignore_index`` elsewhere. The factor of an
    image, ``nu``, is the fraction of those pixels that got a label; the cross-entropy of the image is multiplied by it.

    Args:
        target: Channels or ``ignore_index``, shape ``(N, H, W)``.
        teacher_logits: Teacher scores, shape ``(N, C_old, h, w)``, upsampled bilinearly where that is not the size of
            ``target``. Log-probabilities are scores too.
        thresholds: Largest entropy accepted per predicted channel, shape ``(C,)`` with ``C >= C_old``.
        num_old: Number of old channels, background included.
        num_seen: Number of all channels, background included.
        ignore_index: Label of ignored pixels; they stay ignored.
        minimum_factor: Lower bound of ``nu``.
        full_factor: ``nu`` of an image without any background pixel. 0 is the release's ``0 / (0 + 1e-6)``, which
            throws away the image's labels; 1 keeps them.
        align_corners: How scores are upsampled.

    Returns:
        New labels ``(N, H, W)`` and factors ``(N,)``.
    """
    entropy, predicted = normalised_entropy(teacher_logits, num_seen, target.shape[-2:], align_corners)
    background = (target < num_old) & (target != ignore_index)
    accepted = background & (entropy < thresholds.to(entropy)[predicted])
    labels = torch.where(background, predicted.masked_fill(~accepted, ignore_index), target)
    count = background.flatten(1).sum(1)
    factor = accepted.flatten(1).sum(1) / (count + 1e-6)
    factor = factor.masked_fill(count == 0, full_factor)
    return labels, factor.clamp(min=minimum_factor)


def rectified_log_probabilities(
    teacher_logits: Tensor, teacher_features: Tensor, prototypes: Tensor, temperature: float = 1.0
) -> Tensor:
    r"""Corrects a teacher's probabilities by distances to class prototypes, as GSC's re-labelling (arXiv 2307.10822).

    .. math:: \omega_c = \operatorname{softmax}_c(-\tau \| \hat f - \eta_c \|_2), \qquad
              \hat q_c \propto \omega_c \operatorname{softmax}(\hat z)_c

    Certain from the abstract: background pixels get pseudo labels of old classes from distances to prototypes. The
    formula comes from related code of the same authors; the paper's equations could not be checked.

    The result can take the place of teacher logits, for example in
    :func:`~mmciss.functional.pseudo_labels.entropy_pseudo_labels`. Distances are measured at the resolution of the
    features and upsampled, which is the same as upsampling features up to the interpolation of a norm, at a small part
    of the memory. A class whose prototype is NaN, that of no pixel, has no distance to compare and gets probability 0.

    Args:
        teacher_logits: Shape ``(N, C_old, H, W)``.
        teacher_features: Teacher features, shape ``(N, D, h, w)``.
        prototypes: Mean teacher features of the old channels, shape ``(C_old, D)``.
        temperature: Factor tau on the distances.

    Returns:
        Log-probabilities :math:`\ln \hat q`, shape ``(N, C_old, H, W)``.
    """
    vectors = at_least_float32(teacher_features).flatten(2).transpose(1, 2)
    absent = prototypes.isnan().any(1).to(vectors.device)
    distance = torch.cdist(vectors, at_least_float32(prototypes).to(vectors).nan_to_num())
    distance = distance.transpose(1, 2).unflatten(2, teacher_features.shape[-2:])
    if distance.shape[-2:] != teacher_logits.shape[-2:]:
        distance = F.interpolate(distance, teacher_logits.shape[-2:], mode='bilinear')
    scores = at_least_float32(teacher_logits) - temperature * distance
    if not absent.all():
        # Not minus infinity, which no interpolation survives.
        scores = scores.masked_fill(absent.view(1, -1, 1, 1), -1e30)
    return torch.log_softmax(scores, 1)


BINS = 100


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
