"""Sums, means and running means of the feature vectors of each class, and SDR's prototype matching."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from .numerics import at_least_float32, channel_argmax, full_precision
from .processes import sum_over_processes
from .resampling import labels_at, sample_upsampled

MOST_ITERATIONS = 20_000


class ClassSums(NamedTuple):
    """Sums ``(C, D)`` of the feature vectors of each class, and the numbers of pixels ``(C,)``."""

    sums: Tensor
    counts: Tensor

    @property
    def means(self) -> Tensor:
        """Mean feature of each class, shape ``(C, D)``; 0 for a class without pixels."""
        return self.sums / self.counts.clamp(min=1).to(self.sums).unsqueeze(1)

    @property
    def present(self) -> Tensor:
        """Which classes have a pixel, shape ``(C,)``."""
        return self.counts > 0

    def over_processes(self) -> ClassSums:
        """Returns the sums over the batches of all processes, see :mod:`.processes`."""
        return ClassSums(sum_over_processes(self.sums), sum_over_processes(self.counts))


def one_hot_at(labels: Tensor, num_classes: int, size: tuple[int, ...]) -> Tensor:
    """Returns class membership at feature resolution, boolean, shape ``(N, C, h * w)``.

    Labels outside ``[0, num_classes)``, such as 255, belong to no class.
    """
    small = labels_at(labels, size).flatten(1).unsqueeze(1)
    return small == torch.arange(num_classes, device=labels.device).view(1, -1, 1)


def class_of_pixels(labels: Tensor, num_classes: int, size: tuple[int, ...]) -> tuple[Tensor, Tensor, Tensor]:
    """Returns each pixel's class at feature resolution, 0 if its label is not a class.

    Returns:
        The classes, a mask of the pixels whose label is a class, both ``(N, h * w)``, and the number of pixels of each
        class, ``(C,)``.
    """
    small = labels_at(labels, size).flatten(1)
    inside = (small >= 0) & (small < num_classes)
    chosen = small.long().masked_fill(~inside, 0)
    counts = torch.zeros(num_classes, dtype=torch.long, device=labels.device)
    return chosen, inside, counts.index_add(0, chosen.flatten(), inside.flatten().long())


def class_sums(features: Tensor, labels: Tensor, num_classes: int, compat: bool = False) -> ClassSums:
    """Adds up the feature vectors of each class.

    One matrix product for all classes: no loop, and the same result on every run.

    Args:
        features: Shape ``(N, D, h, w)``.
        labels: Shape ``(N, H, W)``, downsampled to ``(h, w)`` by nearest neighbour.
        num_classes: Number C of classes.
        compat: Whether to mix channels as SDR's release does, see :func:`released_dimension`.
    """
    features = at_least_float32(features)
    member = one_hot_at(labels, num_classes, features.shape[-2:])
    counts = member.sum((0, 2))
    if compat:
        sums = _scattered_sums(features, member, released_dimension(features, member, by_pixel=False))
    else:
        with full_precision(features):
            # This order gives the gradient the layout of the features. Contiguous for all_reduce.
            sums = torch.bmm(features.flatten(2), member.to(features).transpose(1, 2)).sum(0)
            sums = sums.T.contiguous()
    return ClassSums(sums, counts)


def released_dimension(features: Tensor, member: Tensor, by_pixel: bool) -> Tensor:
    """Returns the dimension to which SDR's released code counts each feature value.

    The release selects the features of a class by a boolean mask, which lays them out in the order image, channel,
    pixel, and reshapes the result. Cut into ``D`` rows (``by_pixel=False``) values stay in their dimension for a single
    image only; cut into rows of ``D`` (``by_pixel=True``) never.

    Args:
        features: Shape ``(N, D, h, w)``.
        member: Class membership, boolean, shape ``(N, C, h * w)``.
        by_pixel: Whether the reshape is into rows of ``D``.

    Returns:
        A dimension in ``[0, D)`` for each value, shape ``(N, D, h * w)``; 0 for pixels of no class.
    """
    dim = features.shape[1]
    per_image = member.sum(2)  # (N, C)
    total = per_image.sum(0)
    before = (per_image.cumsum(0) - per_image) * dim
    rank = member.cumsum(2) - 1  # of a pixel within its image and class
    channel = torch.arange(dim, device=features.device).view(1, -1, 1)
    chosen = channel_argmax(member.float()).unsqueeze(1)  # (N, 1, h * w): the pixel's class

    def at_pixels(table: Tensor) -> Tensor:
        return table.expand(member.shape).gather(1, chosen)

    position = at_pixels(before.unsqueeze(2)) + channel * at_pixels(per_image.unsqueeze(2)) + at_pixels(rank)
    if by_pixel:
        result = position % dim
    else:
        result = position.div(at_pixels(total.view(1, -1, 1)).clamp(min=1), rounding_mode='floor')
    return result.masked_fill(~member.any(1, keepdim=True), 0)


def _scattered_sums(features: Tensor, member: Tensor, dimension: Tensor) -> Tensor:
    """Adds every value to the class of its pixel and the given dimension, shape ``(C, D)``."""
    num_classes, dim = member.shape[1], features.shape[1]
    labelled = member.any(1, keepdim=True)
    slot = channel_argmax(member.float()).unsqueeze(1) * dim + dimension
    values = (features.flatten(2) * labelled).flatten()
    sums = values.new_zeros(num_classes * dim).index_add(0, slot.flatten(), values)
    return sums.view(num_classes, dim)


def released_pixel_means(features: Tensor, labels: Tensor, num_classes: int) -> ClassSums:
    """Sums features as SDR's release does for its matching loss, mixed even for one image."""
    features = at_least_float32(features)
    member = one_hot_at(labels, num_classes, features.shape[-2:])
    dimension = released_dimension(features, member, by_pixel=True)
    return ClassSums(_scattered_sums(features, member, dimension), member.sum((0, 2)))


def update_prototypes(prototypes: Tensor, counts: Tensor, batch: ClassSums) -> tuple[Tensor, Tensor]:
    """Updates running means over all pixels seen, the prototypes of SDR (arXiv 2103.06342).

    Args:
        prototypes: Means so far, shape ``(C, D)``.
        counts: Numbers of pixels they are means of, shape ``(C,)``, int64.
        batch: Sums and numbers of pixels of one batch, over all processes. Classes without pixels keep their means.

    Returns:
        New prototypes and counts.
    """
    total = counts + batch.counts
    # mean + (new - mean) * share keeps its digits when counts reach billions.
    share = (batch.counts.double() / total.clamp(min=1)).to(prototypes).unsqueeze(1)
    moved = (batch.means.to(prototypes) - prototypes) * share
    return prototypes + moved, total


def prototype_matching(
    features: Tensor,
    labels: Tensor,
    prototypes: Tensor,
    teacher_logits: Tensor | None = None,
    num_old: int | None = None,
    compat: bool = False,
    known: Tensor | None = None,
    image_size: tuple[int, ...] | None = None,
    align_corners: bool = False,
) -> Tensor:
    r"""Computes prototype matching of SDR (CVPR 2021, arXiv 2103.06342).

    .. math:: L = \frac{1}{|K|} \sum_{c \in K} \frac{1}{D} \| \bar f_c - P_c \|_2^2

    with ``f_c`` the batch's mean feature of class c and K the old foreground classes in the batch. Where labels hide
    old classes these are where the teacher finds them in the background; where labels keep them (the sequential
    setting) they are the labels below ``num_old``.

    Args:
        features: Student features, shape ``(N, D, h, w)``.
        labels: Channels or 255, shape ``(N, H, W)``, background 0.
        prototypes: Shape ``(C, D)``; no gradient flows into them.
        teacher_logits: Teacher scores ``(N, C_old, H', W')`` of any resolution; None to take old classes from the
            labels. Its class at a feature's pixel is the one it predicts there at image size.
        num_old: Number of old channels; needed without ``teacher_logits``.
        compat: Whether to mix the dimensions of features as the release does.
        known: Which classes have a prototype, boolean, shape ``(C,)``; None for all.
        image_size: Height and width of the image; None for those of the labels.
        align_corners: How the teacher's scores are upsampled to that size.

    Returns:
        A scalar, 0 where no old class is found.

    Raises:
        ValueError: If neither ``teacher_logits`` nor ``num_old`` is given.
    """
    size = features.shape[-2:]
    small = labels_at(labels, size)
    if teacher_logits is None:
        if num_old is None:
            raise ValueError('prototype_matching needs teacher_logits or num_old')
        old = small.masked_fill(small >= num_old, 0)
    else:
        at_image = labels.shape[-2:] if image_size is None else image_size
        sampled = sample_upsampled(teacher_logits, at_image, size, align_corners)
        old = channel_argmax(sampled).masked_fill(small != 0, 0)
    gather = released_pixel_means if compat else class_sums
    found = gather(features, old, prototypes.shape[0]).over_processes()
    present = found.present.clone()
    present[0] = False
    if known is not None:
        present &= known
    distance = (found.means - prototypes.detach().to(found.sums)).square().mean(1)
    return (distance * present).sum() / present.sum().clamp(min=1)


def row_prototypes(weight: Tensor, bias: Tensor, penalty: float = 1e-3) -> Tensor:
    r"""Returns for each class the embedding, no channel below 0, that a classifier of sigmoids is surest of.

    STAR (TPAMI 2025), lite: for class i it minimises

    .. math:: \sum_c \operatorname{BCE}(w_c^\top x + b_c, [c = i]) + \frac{\lambda}{2} \|x\|^2, \qquad x \ge 0.

    It is convex; projected gradients with Nesterov's momentum for strongly convex functions find the minimum. Without
    the penalty, which is ours, x has no bound where the classes can be told apart.

    Args:
        weight: Rows, shape ``(C, D)``.
        bias: Shape ``(C,)``.
        penalty: Weight lambda of the squared norm.

    Returns:
        Shape ``(C, D)``, float64, not of unit norm; 0 for a class that no embedding raises.
    """
    rows, offset = weight.double(), bias.double()
    answer = torch.eye(len(rows), dtype=torch.float64, device=rows.device)
    steepest = torch.linalg.matrix_norm(rows, 2).square() / 4 + penalty
    ratio = (penalty / steepest).sqrt()
    momentum = (1 - ratio) / (1 + ratio)
    found = ahead = torch.zeros_like(rows)
    for _ in range(MOST_ITERATIONS):
        slope = ((ahead @ rows.T + offset).sigmoid() - answer) @ rows + penalty * ahead
        last, found = found, (ahead - slope / steepest).clamp(min=0)
        ahead = found + momentum * (found - last)
        if (found - last).abs().max() <= 1e-12 * found.abs().max():
            break
    return found
