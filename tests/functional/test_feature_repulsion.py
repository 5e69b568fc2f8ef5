"""Tests of the repulsion of class means."""

from __future__ import annotations

import pytest
import torch

from mmciss.functional import feature_repulsion
from tests.functional import closed_form as cf
from tests.functional.feature_lists import latent, pixels_of


def test_golden_values() -> None:
    assert cf.near(feature_repulsion(*latent(), compat=True), 0.615370)
    assert cf.near(feature_repulsion(*latent()), 0.395267)


def test_equals_the_equation() -> None:
    features, labels, prototypes = latent()
    means = [pixels_of(features, labels, c).mean(0) for c in (0, 4, 5)]
    terms = [1 / (a - b).norm() for a in means for b in means if a is not b]
    torch.testing.assert_close(feature_repulsion(features, labels, prototypes), torch.stack(terms).mean())


@pytest.mark.parametrize('compat', [True, False])
def test_gradient(compat: bool) -> None:
    features, labels, prototypes = latent()
    assert cf.check_gradient(lambda f: feature_repulsion(f, labels, prototypes, compat=compat), features)


@pytest.mark.parametrize('label', [0, 4, 255])
def test_fewer_than_two_classes_cost_nothing(label: int) -> None:
    features, labels, prototypes = latent()
    features.requires_grad_(True)
    loss = feature_repulsion(features, torch.full_like(labels, label), prototypes)
    loss.backward()
    assert loss == 0 and torch.isfinite(features.grad).all() and not features.grad.any()


def test_equal_means_have_a_finite_gradient() -> None:
    _, labels, prototypes = latent()
    features = torch.ones(2, 6, 4, 4, requires_grad=True)
    loss = feature_repulsion(features, labels, prototypes)
    loss.backward()
    assert loss == 0 and torch.isfinite(features.grad).all()
