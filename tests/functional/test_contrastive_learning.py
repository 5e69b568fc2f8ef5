"""Tests of attraction and repulsion."""

from __future__ import annotations

import pytest
import torch

from mmciss.functional import feature_attraction, feature_repulsion
from tests.functional import closed_form as cf
from tests.functional.feature_lists import latent, pixels_of, released_pixels


def test_feature_attraction_golden_values() -> None:
    assert cf.near(feature_attraction(*latent(), compat=True), 1.707651)
    assert cf.near(feature_attraction(*latent()), 3.627230)


@pytest.mark.parametrize('classes', [(0, 4, 5), (4, 5)])
def test_feature_attraction_equals_the_equation(classes: tuple[int, ...]) -> None:
    features, labels, prototypes = latent()
    terms = [((pixels_of(features, labels, c) - prototypes[c]) ** 2).mean() for c in classes]
    found = feature_attraction(features, labels, prototypes, include_background=0 in classes)
    torch.testing.assert_close(found, torch.stack(terms).mean())


def test_equals_the_recursion_of_the_release() -> None:
    features, labels, prototypes = latent()
    expected = 0
    for c in (0, 4, 5):
        pixels = released_pixels(features, labels, c)
        expected = (expected + ((pixels - prototypes[c]) ** 2).mean()) / 3
    torch.testing.assert_close(feature_attraction(features, labels, prototypes, compat=True), expected)


@pytest.mark.parametrize('compat', [True, False])
def test_gradient_and_order_of_images(compat: bool) -> None:
    features, labels, prototypes = latent()
    assert cf.check_gradient(lambda f, p: feature_attraction(f, labels, p, compat=compat), features, prototypes)
    swapped = feature_attraction(features.flip(0), labels.flip(0), prototypes, compat=compat)
    if not compat:
        torch.testing.assert_close(swapped, feature_attraction(features, labels, prototypes))


@pytest.mark.parametrize('compat', [True, False])
def test_all_ignored_costs_nothing(compat: bool) -> None:
    features, labels, prototypes = latent()
    features.requires_grad_(True)
    loss = feature_attraction(features, torch.full_like(labels, 255), prototypes, compat=compat)
    loss.backward()
    assert loss == 0 and not features.grad.any()


def test_half_precision() -> None:
    features, labels, prototypes = latent()
    assert torch.isfinite(feature_attraction((features * 200).half(), labels, prototypes))


def test_feature_repulsion_golden_values() -> None:
    assert cf.near(feature_repulsion(*latent(), compat=True), 0.615370)
    assert cf.near(feature_repulsion(*latent()), 0.395267)


def test_feature_repulsion_equals_the_equation() -> None:
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
