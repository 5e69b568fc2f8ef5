"""SDR's sparsity loss: features that concentrate on few channels."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from .numerics import at_least_float32
from .processes import max_over_processes, mean_count, sum_over_processes
from .prototypes import class_of_pixels


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
