"""Replay of embeddings that were never stored: STAR's distributions, its amounts and its three losses."""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from mmengine.dist import get_world_size
from torch import Tensor

from .numerics import at_least_float32, full_precision
from .processes import sum_over_processes
from .prototypes import one_hot_at
from .resampling import labels_at

RULES = ('overlapped', 'disjoint', 'constant', 'adaptive')
NORM_NOISES = ('channel', 'vector')


class EmbeddingSums(NamedTuple):
    """Sums over the sites of each class; ``u = f / |f|`` is the direction of an embedding ``f``.

    Attributes:
        counts: Numbers of sites, ``(C,)``, int64.
        directions: Sums of ``u``, ``(C, D)``, float64.
        squares: Sums of ``u^2``, channel by channel, ``(C, D)``, float64.
        norms: Sums of ``|f|`` and of ``|f|^2``, ``(2, C)``, float64.
    """

    counts: Tensor
    directions: Tensor
    squares: Tensor
    norms: Tensor

    def plus(self, other: EmbeddingSums) -> EmbeddingSums:
        """Returns the sums over both sets of sites."""
        return EmbeddingSums(*(one + two for one, two in zip(self, other, strict=True)))

    def distribution(self) -> EmbeddingDistribution:
        """Returns what STAR keeps of each class; 0 for a class without sites."""
        count = self.counts.clamp(min=1).double()
        prototype = F.normalize(self.directions, dim=1)
        share = count.unsqueeze(1)
        variance = self.squares / share - 2 * prototype * self.directions / share + prototype.square()
        present = (self.counts > 0).unsqueeze(1)
        mean = self.norms[0] / count
        deviation = (self.norms[1] - count * mean.square()).clamp(min=0) / (count - 1).clamp(min=1)
        spread = variance.clamp(min=0).sqrt().where(present, variance.new_zeros(()))
        return EmbeddingDistribution(prototype, spread, mean, deviation.sqrt())


class EmbeddingDistribution(NamedTuple):
    """Where the embeddings of each class lie, STAR (NeurIPS 2023), section 3.2.

    Attributes:
        prototype: Unit vectors, ``(C, D)``.
        spread: Root mean square of ``u - prototype``, channel by channel, ``(C, D)``.
        norm_mean: Mean of ``|f|``, ``(C,)``.
        norm_std: Unbiased standard deviation of ``|f|``, ``(C,)``.
    """

    prototype: Tensor
    spread: Tensor
    norm_mean: Tensor
    norm_std: Tensor


def embedding_sums(embedding: Tensor, labels: Tensor, num_classes: int) -> EmbeddingSums:
    """Adds up the embeddings of each class, labelled by the pixel at the centre of each site.

    Args:
        embedding: Shape ``(N, D, h, w)``.
        labels: Channels or 255, shape ``(N, H, W)``.
        num_classes: Number C of channels.
    """
    size = embedding.shape[-2:]
    member = one_hot_at(labels_at(labels, size, centre=True), num_classes, size)
    features = embedding.double().flatten(2)
    norm = features.norm(dim=1, keepdim=True)
    unit = features / norm.clamp(min=1e-12)
    values = torch.cat([unit, unit.square(), norm, norm.square()], 1)
    with full_precision(embedding):
        sums = torch.bmm(member.to(values), values.transpose(1, 2)).sum(0)
    width = features.shape[1]
    return EmbeddingSums(
        member.sum((0, 2)), sums[:, :width], sums[:, width : 2 * width], sums[:, 2 * width :].T.contiguous()
    )


def predicted_classes(logits: Tensor, threshold: float) -> Tensor:
    """Returns the foreground channel with the largest logit where that exceeds ``threshold``, else 0.

    Args:
        logits: Scores of the background, which is not read, and of C - 1 classes, shape ``(N, C, H, W)``.
        threshold: A logit.

    Returns:
        Shape ``(N, H, W)``.
    """
    best, channel = logits[:, 1:].max(1)
    return torch.where(best > threshold, channel + 1, 0)


class Amounts(NamedTuple):
    """How much is replayed and how it is counted, by :func:`replay_amounts`.

    Attributes:
        features: Replayed vectors of each old channel in a batch, ``(C_old,)``, int64; 0 for the background.
        background: Weight of a background site of the batch as an old one.
        counts: Sites of the old channels over all steps, background first, this step's included, ``(C_old,)``.
    """

    features: Tensor
    background: float
    counts: Tensor


def replay_amounts(
    counts: Tensor,
    predicted: Tensor,
    iterations: float,
    num_new: int,
    rule: str = 'overlapped',
    new_share: float = 0.01,
    old_share: float = 0.5,
    minimum: int = 0,
    labelled: float = 0.0,
) -> Amounts:
    r"""Decides how much is replayed, so that an epoch holds what all steps' images would have shown.

    ``N`` are the sites of the previous steps, ``M`` this step's background sites by the old model's prediction, ``L``
    its sites with a label, ``T`` the iterations of an epoch, ``K`` the new classes; :math:`N_0' = N_0 (1 - 0.01 K)`
    where old images may show new classes (``'overlapped'``, ``'adaptive'``) and :math:`N_0` otherwise; ``r`` is the
    largest ``M_c / N_c``, at most 1.

    ============== ================================= ============================= ==============================
    rule           features of a class in a batch    weight of the background      counts for the next step
    ============== ================================= ============================= ==============================
    ``overlapped`` ``max(0, int((N_c - M_c) / T))``  ``max(0, N_0' / M_0 - 0.5)``  ``0.5 M_0 + N_0'``, ``N_c``
    ``disjoint``   ``int(N_c / T)``                  ``N_0 / M_0``                 ``M_0 + N_0``, ``N_c + M_c``
    ``constant``   ``int(N_c / T)``                  ``N_0 / M_0``                 ``M_0 + N_0``, ``N_c``
    ``adaptive``   ``max(0, int((N_c - M_c) / T))``  ``max(0, (N_0' - r L)/M_0)``  ``M_0 + N_0'``, ``N_c``
    ============== ================================= ============================= ==============================

    The first two are those of STAR (NeurIPS 2023), the third that of its second version (TPAMI 2025); Adapter (AAAI
    2025) has the fourth where steps overlap, else the third, and a ``minimum`` of 1.

    Args:
        counts: ``N``, shape ``(C_old,)``, background first.
        predicted: ``M``, shape ``(C_old,)``.
        iterations: ``T``.
        num_new: ``K``.
        rule: One of the four.
        new_share: The guessed share of the old background that is of one new class, 0.01 in the release.
        old_share: The guessed share of today's background that was background before, 0.5 in the release.
        minimum: Least number of features of a class that has any sites.
        labelled: ``L``.
    """
    known, found = counts.double(), predicted.double()
    overlapped = rule in ('overlapped', 'adaptive')
    old = float(known[0]) * (max(0.0, 1 - new_share * num_new) if overlapped else 1.0)
    drawn = ((known - found if overlapped else known) / iterations).clamp(min=0).long()
    drawn = torch.where(counts > 0, drawn.clamp(min=minimum), 0)
    drawn[0] = 0
    ratios = (found / known)[1:][known[1:] > 0].clamp(max=1).tolist()
    shown = max(ratios, default=0.0) if rule == 'adaptive' else 0.0
    share = max(0.0, old - shown * labelled) / max(float(found[0]), 1.0)
    total = known + found if rule == 'disjoint' else known.clone()
    guessed = rule == 'overlapped'
    total[0] = (old_share if guessed else 1.0) * found[0] + old
    return Amounts(drawn, max(0.0, share - old_share) if guessed else share, total)


def compensate(
    distribution: EmbeddingDistribution, deviation: Tensor, sites: Tensor, counts: Tensor
) -> EmbeddingDistribution:
    r"""Moves prototypes as the model has moved, the adaptive deviation compensation of Adapter (AAAI 2025).

    :math:`p_c \mathrel{+}= R_c (b_c - a_c)`, and :math:`\sigma_c` grows by the absolute change of :math:`p_c`;
    :math:`R_c = k_c / N_c`, at most 1. The sum is not normalised.

    Args:
        distribution: Where the embeddings lay.
        deviation: Mean direction by the new model without that by the old one, :math:`b_c - a_c`, ``(C, D)``.
        sites: Numbers of sites that it was measured on, ``k (C,)``.
        counts: Sites of the classes, ``N (C,)``.
    """
    share = (sites.double() / counts.double().clamp(min=1)).clamp(max=1).unsqueeze(1)
    change = (share * deviation.double()).to(distribution.prototype)
    return distribution._replace(prototype=distribution.prototype + change, spread=distribution.spread + change.abs())


def replay_features(distribution: EmbeddingDistribution, amounts: Tensor, norm_noise: str = 'channel') -> Tensor:
    r"""Draws embeddings of old classes, :math:`(p_c + \sigma_c e)(\mu_c + s_c e')` with standard normal noise.

    Args:
        distribution: Where they lie.
        amounts: How many of each class, ``(C,)``, int64.
        norm_noise: Whether ``e'`` is drawn for every ``'channel'``, as in STAR's release, or for the ``'vector'``.

    Returns:
        Shape ``(n, D)``, class by class.
    """
    prototype, spread, mean, std = (item.repeat_interleave(amounts, 0) for item in distribution)
    direction = prototype + spread * torch.randn_like(spread)
    shape = prototype.shape if norm_noise == 'channel' else (len(prototype), 1)
    noise = torch.randn(shape, dtype=prototype.dtype, device=prototype.device)
    return direction * (mean.unsqueeze(1) + std.unsqueeze(1) * noise)


def replay_bce(
    plain: Tensor, replayed: Tensor, background: Tensor, chosen: Tensor, share: float, ratio: float
) -> Tensor:
    r"""Adds old embeddings to a batch's cross-entropy: :math:`(B + w_f F + w_b G) / (1 + w_f + w_b)`.

    ``F`` and ``G`` are the mean costs of saying yes, summed over the new classes, to replayed embeddings and to the
    batch's background sites; :math:`w_b` is ``ratio`` times the share of such sites in the batch.

    Args:
        plain: ``B``, the cross-entropy of the images, a scalar.
        replayed: Scores of the new classes for replayed embeddings, shape ``(n, K)``.
        background: Their scores at all sites, shape ``(S, K)``.
        chosen: Which sites are background to labels and old model, boolean, ``(S,)``.
        share: :math:`w_f`, replayed embeddings by sites of the whole batch.
        ratio: Weight of a background site.

    Returns:
        A scalar; ``plain`` if nothing is replayed.
    """
    world = get_world_size()
    count = sum_over_processes(chosen.sum()).double() / world
    more = plain.new_tensor(ratio * float(count) / max(len(chosen), 1))
    total = plain
    if len(replayed):
        total = total + share * F.softplus(replayed).sum(1).mean()
    else:
        share = 0.0
    cost = F.softplus(background).sum(1).masked_fill(~chosen, 0).sum()
    total = total + more * cost / count.clamp(min=1 / world).to(cost)
    return total / (1 + share + more)


def masked_feature_distillation(embedding: Tensor, teacher_embedding: Tensor, mask: Tensor) -> Tensor:
    r"""Computes STAR's old-class feature maintaining, :math:`\sum m |f - \hat f|^2 / (D \sum m)`.

    Args:
        embedding: Student's, shape ``(N, D, h, w)``.
        teacher_embedding: Teacher's, of the same shape.
        mask: Where the teacher sees old classes in the background, boolean, ``(N, H, W)``; reduced bilinearly.

    Returns:
        A scalar, the mean over the sites of all processes; 0 where the mask is empty.
    """
    new, old = at_least_float32(embedding), at_least_float32(teacher_embedding)
    soft = F.interpolate(mask.unsqueeze(1).to(new), new.shape[-2:], mode='bilinear', align_corners=False)
    weight = sum_over_processes(soft.sum()) / get_world_size()
    # An empty mask is 0 / 0 in the release, which the scaler of mixed precision hides.
    return (soft * (new - old).square()).sum() / (new.shape[1] * weight.clamp(min=1e-6))


def prototype_discrimination(embedding: Tensor, target: Tensor, prototypes: Tensor, classes: range) -> Tensor:
    r"""Computes STAR's similarity-aware discrimination, the mean over new classes of :math:`1 / \min_o |v_c - p_o|`.

    :math:`v_c` is the mean direction of the class's pixels in the batch of all processes, of unit length; it is 0 for
    a class that the batch does not show, which then costs the constant 1.

    Args:
        embedding: Shape ``(N, D, h, w)``.
        target: Channels or 255, shape ``(N, H, W)``; membership is reduced bilinearly.
        prototypes: Unit vectors of old classes, shape ``(K, D)``.
        classes: Channels of the new classes.

    Returns:
        A scalar; 0 without prototypes or without new classes.
    """
    features = at_least_float32(embedding)
    if not len(prototypes) or not len(classes):
        return features.sum() * 0
    unit = F.normalize(features, dim=1).flatten(2)
    ids = torch.tensor(list(classes), device=target.device).view(1, -1, 1, 1)
    member = (target.unsqueeze(1) == ids).to(features)
    member = F.interpolate(member, features.shape[-2:], mode='bilinear', align_corners=False).flatten(2)
    with full_precision(features):
        centres = torch.bmm(member, unit.transpose(1, 2)).sum(0)
        centres = F.normalize(sum_over_processes(centres), dim=1)
        difference = centres.unsqueeze(1) - prototypes.to(centres).unsqueeze(0)
    nearest = difference.square().sum(2).amin(1)
    return nearest.clamp(min=1e-12).rsqrt().mean()


def sphere_noise(prototypes: Tensor, distance: float | Tensor) -> Tensor:
    r"""Draws unit vectors whose distance from their prototypes is normally distributed, STAR's second version.

    STAR (TPAMI 2025), noise ``dist``: :math:`\delta = \min(|N(0, d)|, 1.999)` is the length of the chord, so that
    :math:`\theta = 2 \arcsin(\delta / 2)` is the angle; the direction of the turn is uniform noise without its part
    along the prototype. The result :math:`\cos\theta\, p + \sin\theta\, t` is the release's
    :math:`\operatorname{normalise}(p + \tan\theta\, t)` up to a right angle, where the tangent changes its sign.

    Args:
        prototypes: Unit vectors, shape ``(n, D)``.
        distance: ``d``, the root mean square of the distances.

    Returns:
        Shape ``(n, D)``.
    """
    chord = (distance * torch.randn(len(prototypes), 1, dtype=prototypes.dtype, device=prototypes.device)).abs()
    angle = 2 * torch.asin(chord.clamp(max=1.999) / 2)
    noise = torch.rand_like(prototypes) - 0.5
    tangent = F.normalize(noise - (noise * prototypes).sum(1, keepdim=True) * prototypes, dim=1)
    return angle.cos() * prototypes + angle.sin() * tangent
