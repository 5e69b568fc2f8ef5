"""Directions on a sphere around prototypes."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from mmciss.functional import sphere_noise


def test_directions_are_unit_vectors_at_normally_distributed_distances() -> None:
    torch.manual_seed(0)
    prototype = F.normalize(torch.tensor([[1.0, 2.0, -1.0, 0.5]], dtype=torch.float64), dim=1)
    found = sphere_noise(prototype.expand(100_000, -1), 0.3)
    torch.testing.assert_close(found.norm(dim=1), torch.ones(len(found), dtype=torch.float64))
    distance = (found - prototype).norm(dim=1)
    assert float(distance.square().mean().sqrt()) == pytest.approx(0.3, rel=0.01)
    assert float((distance < 0.3).double().mean()) == pytest.approx(0.6827, abs=0.005)
    # Every turn away from the prototype is as likely as its opposite.
    aside = found - (found @ prototype.T) * prototype
    assert aside.mean(0).abs().max() < 0.005


def test_it_is_the_formula_of_the_release_below_a_right_angle_and_finite_above() -> None:
    prototypes = F.normalize(torch.randn(50, 8, dtype=torch.float64), dim=1)
    torch.manual_seed(1)
    found = sphere_noise(prototypes, 0.3)
    torch.manual_seed(1)
    chord = (0.3 * torch.randn(50, 1, dtype=torch.float64)).abs().clamp(max=1.999)
    noise = torch.rand(50, 8, dtype=torch.float64) - 0.5
    tangent = F.normalize(noise - (noise * prototypes).sum(1, keepdim=True) * prototypes, dim=1)
    angle = 2 * torch.asin(chord / 2)
    assert angle.max() < torch.pi / 2
    torch.testing.assert_close(found, F.normalize(prototypes + torch.tan(angle) * tangent, dim=1))
    far = sphere_noise(prototypes, 50.0)
    assert far.isfinite().all() and (far - prototypes).norm(dim=1).max() <= 1.999 + 1e-9
    assert sphere_noise(prototypes[:0], 0.4).shape == (0, 8)
