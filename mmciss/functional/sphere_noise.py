"""Directions around prototypes, on the unit sphere."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


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
