"""Attribution of the background score to the channels of the embedding, and the choice of channels, as in AWT."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from .numerics import at_least_float32
from .resampling import labels_at

MODES = ('max_of_mean', 'mean_of_max', 'mean_of_mean')


def linear_attribution(
    embedding: Tensor, baseline: Tensor, background_weight: Tensor, gain: float | Tensor = 1.0
) -> Tensor:
    r"""Attributes the sum of the background logit over the image to the classifier's input, as AWT does.

    AWT (WACV 2023, arXiv 2210.07207) does so by integrated gradients. The sum is linear in that input, so the integral
    has a closed form:

    .. math:: A_c(u, v) = S(u, v)\, w_c\, ( f_c(u, v) - f^0_c(u, v) )

    with ``f0`` the embedding of an all-zero image and S the derivative of the upsampling. The score of a channel is the
    largest value, over positions, of the mean of ``A_c * mask`` over the images whose mask is not empty, see
    :func:`masked_sum` and :func:`attribution_scores`. It is signed.

    Args:
        embedding: Input of the classifier, shape ``(N, D, h, w)``.
        baseline: Embedding of the baseline image, shape ``(1, D, h, w)``.
        background_weight: Row of the background in the classifier, ``D`` values of any shape.
        gain: S, a number or a map ``(h, w)``, see :func:`upsampling_gain`. A constant changes the scores but not their
            order.

    Returns:
        Shape ``(N, D, h, w)``.
    """
    weight = at_least_float32(background_weight).reshape(-1, 1, 1)
    return (at_least_float32(embedding) - at_least_float32(baseline)) * (weight * gain)


def masked_sum(attribution: Tensor, mask: Tensor, mode: str = 'max_of_mean') -> tuple[Tensor, Tensor]:
    """Returns the part of one batch in the scores, a sum that adds up over batches and processes.

    Args:
        attribution: Shape ``(N, D, h, w)``.
        mask: Pixels of new classes, ``(N, h, w)``, or larger and then downsampled by nearest neighbour.
        mode: ``'max_of_mean'`` (the paper's), or ``'mean_of_max'`` and ``'mean_of_mean'``, which first take the maximum
            or the mean over positions and then the mean over images.

    Returns:
        Sum over images, ``(D, h, w)``, or ``(D, 1, 1)`` for the modes that reduce positions first, and the number of
        images whose mask is not empty.

    Raises:
        ValueError: If ``mode`` is unknown.
    """
    if mode not in MODES:
        raise ValueError(f'mode: unknown value {mode!r}. Allowed: {", ".join(MODES)}.')
    inside = labels_at(mask.bool(), attribution.shape[-2:])
    kept = inside.flatten(1).any(1)
    attribution = attribution * inside.unsqueeze(1)  # an empty mask leaves zeros
    if mode == 'mean_of_max':
        attribution = attribution.amax((2, 3), keepdim=True) * kept.view(-1, 1, 1, 1)
    elif mode == 'mean_of_mean':
        attribution = attribution.mean((2, 3), keepdim=True)
    return attribution.sum(0), kept.sum()


def attribution_scores(total: Tensor, count: Tensor | int) -> Tensor:
    """Turns the sums of :func:`masked_sum` over all images into channel scores ``(D,)``, 0 without an image."""
    return (total / max(int(count), 1)).amax((1, 2))


def upsampling_gain(size: tuple[int, ...], image_size: tuple[int, ...], align_corners: bool = False) -> Tensor:
    """Returns the weight of each small pixel in the sum over a bilinearly upsampled map.

    Args:
        size: Height and width ``(h, w)`` of the small map.
        image_size: Height and width of the upsampled map.
        align_corners: As in the upsampling.

    Returns:
        Weights, shape ``(h, w)``; all equal if the ratio of sizes is whole and corners are not aligned: 256 from 32 to
        512.
    """
    rows, columns = (_axis_gain(n, out, align_corners) for n, out in zip(size, image_size, strict=True))
    return rows[:, None] * columns


def _axis_gain(size: int, out: int, align_corners: bool) -> Tensor:
    unit = torch.eye(size, dtype=torch.float64).unsqueeze(0)
    return F.interpolate(unit, out, mode='linear', align_corners=align_corners)[0].sum(1).float()


def select_channels(scores: Tensor, fraction: float = 0.25) -> Tensor:
    """Marks the top fraction of channels, as AWT does (WACV 2023, arXiv 2210.07207).

    Args:
        scores: Shape ``(D,)``, or ``(K, D)`` for one choice per class.
        fraction: Fraction of the channels to choose, rounded to a whole number of channels, at least one.

    Returns:
        Boolean mask of the same shape. Ties go to the first channels.

    Raises:
        ValueError: If ``fraction`` is outside ``(0, 1]``.
    """
    if not 0 < fraction <= 1:
        raise ValueError(f'fraction: {fraction} is not in (0, 1]')
    count = max(1, round(fraction * scores.shape[-1]))
    best = scores.argsort(dim=-1, descending=True, stable=True)[..., :count]
    return torch.zeros_like(scores, dtype=torch.bool).scatter(-1, best, True)


def integrated_gradients(
    function: Callable[[Tensor], Tensor], inputs: Tensor, baseline: Tensor, steps: int = 50
) -> Tensor:
    r"""Computes integrated gradients (Sundararajan et al., ICML 2017, arXiv 1703.01365).

    .. math:: A = (x - x^0) \odot \frac{1}{n} \sum_{k=1}^{n}
              \nabla f\left( x^0 + \tfrac{k - 1/2}{n} (x - x^0) \right)

    This is the midpoint rule: its error falls with the square of ``n``, and for linear ``f`` one step is exact.

    Args:
        function: Maps images ``(N, ...)`` to one number each, ``(N,)``, that depends on that image only.
        inputs: Points to attribute to, ``(N, ...)``.
        baseline: Point of zero attribution, broadcastable to ``inputs``.
        steps: Number n of points on the way.

    Returns:
        Attributions, shape of ``inputs``; they add up to ``f(x) - f(x0)``.

    Raises:
        ValueError: If ``steps`` is not positive.
    """
    if steps < 1:
        raise ValueError(f'steps: {steps} is not positive')
    difference = inputs.detach() - baseline.detach()
    gradients = torch.zeros_like(difference)
    with torch.enable_grad():
        for k in range(steps):
            point = (inputs.detach() - (1 - (k + 0.5) / steps) * difference).requires_grad_(True)
            gradients += torch.autograd.grad(function(point).sum(), point)[0]
    return difference * gradients / steps
