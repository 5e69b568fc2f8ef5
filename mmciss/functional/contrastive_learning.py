"""Terms that keep classes apart: SDR's attraction, repulsion and sparsity of features, MBS's orthogonal tokens."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from mmengine.dist import get_world_size
from torch import Tensor
from torch.autograd.function import once_differentiable

from .numerics import at_least_float32, full_precision
from .processes import max_over_processes, mean_count, sum_over_processes
from .prototypes import class_of_pixels, class_sums, one_hot_at, released_dimension


def feature_attraction(
    features: Tensor, labels: Tensor, prototypes: Tensor, include_background: bool = True, compat: bool = False
) -> Tensor:
    r"""Computes the attractive half of SDR's contrastive learning (arXiv 2103.06342).

    .. math:: L = \frac{1}{|K|} \sum_{c \in K} \frac{1}{n_c} \sum_{i : y_i = c}
              \frac{1}{D} \| f_i - P_c \|_2^2

    over the classes K in the batch, with ``n_c`` pixels each.

    Args:
        features: Shape ``(N, D, h, w)``.
        labels: Channels or 255, shape ``(N, H, W)``.
        prototypes: Shape ``(C, D)``; no gradient flows into them.
        include_background: Whether class 0 takes part. Without a prototype of the background it should not: the zero
            vector in its place would pull background features towards 0.
        compat: Whether to mix dimensions and to divide by ``|K|`` inside the sum, as the release does: the i-th of the
            classes present, in ascending order, weighs ``|K|^(i - |K| - 1)``.

    Returns:
        A scalar, 0 where no class is present.
    """
    features = at_least_float32(features)
    size = features.shape[-2:]
    chosen, inside, counts = class_of_pixels(labels, len(prototypes), size)
    if not include_background:
        inside = inside & (chosen != 0)
        counts[0] = 0
    counts = sum_over_processes(counts)
    present = counts > 0
    number = present.sum().clamp(min=1)
    centre = prototypes.detach().to(features)
    if compat:
        member = one_hot_at(labels, len(prototypes), size)
        member[:, 0] &= include_background
        dimension = released_dimension(features, member, by_pixel=False)
        own = centre.flatten()[chosen.unsqueeze(1) * centre.shape[1] + dimension]
        share = number.double() ** (present.cumsum(0) - number - 1)
        distance = (features.flatten(2) - own).square().mean(1)  # (N, h * w)
    else:
        share = present.double() / number
        member = one_hot_at(labels, len(prototypes), size).to(features)
        distance = _SquaredDistance.apply(features.flatten(2), centre, member)
    # Averaged over the processes, these sums are the sum over the whole batch.
    weight = (share * present / counts.clamp(min=1) * get_world_size()).to(distance)
    return (distance * weight[chosen] * inside).sum()


class _SquaredDistance(torch.autograd.Function):
    """Mean squared distance of each pixel's feature from its prototype, shape ``(N, P)``.

    A product with the one-hot map brings the prototypes to the pixels: exact, and many times as fast as gathering them.
    The backward pass computes the differences again.
    """

    @staticmethod
    def forward(ctx: Any, features: Tensor, centre: Tensor, member: Tensor) -> Tensor:
        ctx.save_for_backward(features, centre, member)
        distance = features.new_empty(member.shape[::2])
        work = torch.empty_like(features[0])
        for image in range(len(features)):
            difference = _difference(features[image], centre, member[image], work)
            torch.sum(difference.square_(), 0, out=distance[image])
        return distance / features.shape[1]

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, upstream: Tensor) -> tuple[Tensor, None, None]:
        features, centre, member = ctx.saved_tensors
        gradient = torch.empty_like(features)
        factor = upstream * (2 / features.shape[1])
        for image, out in enumerate(gradient):
            _difference(features[image], centre, member[image], out).mul_(factor[image])
        return gradient, None, None


def _difference(features: Tensor, centre: Tensor, member: Tensor, out: Tensor) -> Tensor:
    """Writes one image's features ``(D, P)`` less its pixels' prototypes to ``out``."""
    with full_precision(features):
        torch.mm(centre.T, member, out=out)
    return torch.sub(features, out, out=out)


def feature_repulsion(features: Tensor, labels: Tensor, prototypes: Tensor, compat: bool = False) -> Tensor:
    r"""Computes the repulsive half of SDR's contrastive learning (arXiv 2103.06342).

    .. math:: L = \operatorname{mean}_{i \ne j \in K} \frac{1}{\| \bar f_i - \bar f_j \|_2}

    over the classes K in the batch and their mean features in it.

    Args:
        features: Shape ``(N, D, h, w)``.
        labels: Channels or 255, shape ``(N, H, W)``.
        prototypes: Shape ``(C, D)``; only the number of classes is taken from it.
        compat: Whether to mix the dimensions of features as the release does.

    Returns:
        A scalar, 0 with fewer than two classes. Pairs of equal means are left out.
    """
    found = class_sums(features, labels, prototypes.shape[0], compat).over_processes()
    distance = torch.cdist(found.means, found.means, compute_mode='donot_use_mm_for_euclid_dist')
    pair = found.present[:, None] & found.present & (distance > 0)
    # A divisor of 1 outside the pairs avoids infinities and their NaN gradients.
    inverse = distance.masked_fill(~pair, 1.0).reciprocal() * pair
    return inverse.sum() / pair.sum().clamp(min=1)


def feature_sparsity(features: Tensor, labels: Tensor, prototypes: Tensor, compat: bool = False) -> Tensor:
    r"""Computes the sparsity loss of SDR (CVPR 2021, arXiv 2103.06342).

    With ``g_i`` the feature of pixel i divided by the largest value of its class in the batch:

    .. math:: L = \operatorname{mean}_i \frac{\sum_d \exp(g_{i,d})}{\sum_d g_{i,d}}

    Args:
        features: Shape ``(N, D, h, w)``; negative values, which the equation does not cover, count as 0.
        labels: Channels or 255, shape ``(N, H, W)``.
        prototypes: Shape ``(C, D)``; only the number of classes is taken from it.
        compat: The release averages over all pixels, takes 255 for a class of its own, divides by ``1e-15`` at a pixel
            whose features are all 0 and uses negative values as they are. By default such pixels and ignored ones take
            no part.

    Returns:
        A scalar, 0 if no pixel takes part.
    """
    size = features.shape[-2:]
    features = at_least_float32(features).flatten(2)
    if not compat:
        features = features.clamp(min=0)
    num_classes = len(prototypes)
    chosen, inside, _ = class_of_pixels(labels, num_classes, size)
    chosen = chosen.masked_fill(~inside, num_classes)  # the rest is one more class
    exponential, total = _ScaledSums.apply(features, chosen, num_classes + 1)
    if compat:
        ratio = exponential / (total + 1e-15)
        return ratio.mean() * (total.sum() > 0)
    valid = inside & (total > 1e-6)
    ratio = exponential.masked_fill(~valid, 0) / total.masked_fill(~valid, 1)
    return ratio.sum() / mean_count(valid)


class _ScaledSums(torch.autograd.Function):
    """Sums over channels of ``exp(g)`` and of ``g``, the features over their class's maximum.

    Both have the shape ``(N, P)``; the exponentials are computed again in the backward pass.
    """

    @staticmethod
    def forward(ctx: Any, features: Tensor, chosen: Tensor, num_classes: int) -> tuple[Tensor, Tensor]:
        highest = features.amax(1)
        largest = highest.new_full((num_classes,), -torch.inf)
        largest = max_over_processes(largest.scatter_reduce(0, chosen.flatten(), highest.flatten(), 'amax'))
        inverse = 1 / (largest[chosen] + 1e-15)
        scaled = torch.empty_like(features[0])
        exponential = torch.empty_like(highest)
        for image, maps in enumerate(features):
            torch.mul(maps, inverse[image], out=scaled)
            torch.sum(scaled.exp_(), 0, out=exponential[image])
        total = features.sum(1) * inverse
        ctx.save_for_backward(features, chosen, highest, largest, inverse, total)
        return exponential, total

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, up_exponential: Tensor, up_total: Tensor) -> tuple[Tensor, None, None]:
        features, chosen, highest, largest, inverse, total = ctx.saved_tensors
        gradient = torch.empty_like(features)
        through_scale = torch.empty_like(highest)  # derivative for log(inverse) of each pixel
        scaled, scratch = (torch.empty_like(features[0]) for _ in range(2))
        for image, maps in enumerate(features):
            torch.mul(maps, inverse[image], out=scaled)
            torch.exp(scaled, out=scratch).mul_(up_exponential[image])
            torch.sum(scaled.mul_(scratch), 0, out=through_scale[image])
            torch.mul(scratch.add_(up_total[image]), inverse[image], out=gradient[image])
        through_scale += up_total * total
        # The maximum of a class lies in few pixels; equal ones share its gradient, as PyTorch's do.
        upstream = sum_over_processes(
            torch.zeros_like(largest).index_add(0, chosen.flatten(), (-through_scale * inverse).flatten())
        )
        hit = highest == largest[chosen]
        ties = sum_over_processes(torch.zeros_like(largest).index_add(0, chosen.flatten(), hit.flatten().to(largest)))
        image, pixel = hit.nonzero(as_tuple=True)
        share = (features[image, :, pixel] == highest[image, pixel, None]).to(features)
        share /= share.sum(1, keepdim=True)
        share *= (upstream / ties)[chosen[image, pixel], None]
        gradient[image, :, pixel] += share
        return gradient, None, None


def class_orthogonality(vectors: Tensor, num_old: int) -> Tensor:
    """Computes the mean absolute cosine of each new class's vector with those of all other classes (MBS, ECCV 2024).

    A gradient reaches a vector only where it is the new one of the pair, so old vectors get none.

    Args:
        vectors: One per class, shape ``(C, D)``, old classes first.
        num_old: Number of old classes.

    Returns:
        A scalar; 0 without new classes or with one class.

    Examples:
        >>> class_orthogonality(torch.tensor([[2.0, 0.0], [3.0, 4.0]]), 1)
        tensor(0.6000)
    """
    unit = F.normalize(at_least_float32(vectors), dim=1)
    cosines = (unit[num_old:] @ unit.detach().T).abs()
    own = torch.eye(len(unit), dtype=torch.bool, device=unit.device)[num_old:]
    return cosines.masked_fill(own, 0).sum() / max(1, len(cosines) * (len(unit) - 1))
