"""Tests of the sparsity of features."""

from __future__ import annotations

import pytest
import torch

from mmciss.functional import feature_sparsity
from tests.functional import closed_form as cf
from tests.functional.feature_lists import latent, pixels_of


@pytest.mark.parametrize('compat', [True, False])
def test_golden_value(compat: bool) -> None:
    assert cf.near(feature_sparsity(*latent(), compat=compat), 4.576317)


def test_equals_the_equation_and_leaves_out_ignored_pixels() -> None:
    features, labels, prototypes = latent()
    labels[1] = labels[1].masked_fill(labels[1] == 0, 255)
    ratios = []
    for c in (0, 4, 5):
        pixels = pixels_of(features, labels, c)
        scaled = pixels / pixels.max()
        ratios.append(scaled.exp().sum(1) / scaled.sum(1))
    torch.testing.assert_close(feature_sparsity(features, labels, prototypes), torch.cat(ratios).mean())


@pytest.mark.parametrize('compat', [True, False])
def test_gradient(compat: bool) -> None:
    features, labels, prototypes = latent()
    # Off the kink of the ReLU and without equal largest values the maximum is differentiable.
    features = features + 0.05 + cf.wave((2, 6, 4, 4), 1.1, 0.0, 0.01)
    assert cf.check_gradient(lambda f: feature_sparsity(f, labels, prototypes, compat), features)


def test_pixels_without_any_feature_take_no_part() -> None:
    features, labels, prototypes = latent()
    expected = feature_sparsity(features, labels, prototypes)
    wide, more = torch.zeros(3, 6, 4, 4), torch.zeros(3, 8, 8, dtype=torch.long)
    wide[:2], more[:2] = features, labels
    wide.requires_grad_(True)
    loss = feature_sparsity(wide, more, prototypes)
    loss.backward()
    torch.testing.assert_close(loss, expected)
    assert torch.isfinite(wide.grad).all()


def test_negative_values_count_as_zero() -> None:
    """As they are, they could bring the sum in the denominator arbitrarily close to 0."""
    features, labels, prototypes = latent()
    signed = features.clone()
    signed[features == 0] = -3.0
    assert (features == 0).any()
    assert feature_sparsity(signed, labels, prototypes) == feature_sparsity(features, labels, prototypes)
    assert feature_sparsity(signed, labels, prototypes, compat=True) != feature_sparsity(
        features, labels, prototypes, compat=True
    )
    signed.requires_grad_(True)
    feature_sparsity(signed, labels, prototypes).backward()
    assert signed.grad[features == 0].eq(0).all() and signed.grad.abs().max() < 10


@pytest.mark.parametrize('compat', [True, False])
def test_no_feature_at_all(compat: bool) -> None:
    _, labels, prototypes = latent()
    features = torch.zeros(2, 6, 4, 4, requires_grad=True)
    assert feature_sparsity(features, labels, prototypes, compat) == 0
    assert feature_sparsity(features + 1, torch.full_like(labels, 255), prototypes) == 0
