"""Tests of prototype matching."""

from __future__ import annotations

import pytest
import torch

from mmciss.functional import prototype_matching
from tests.functional import closed_form as cf
from tests.functional.feature_lists import latent, pixels_of


def test_golden_values() -> None:
    features, labels, prototypes = latent()
    for compat, golden in ((True, 2.338526), (False, 1.874195)):
        found = prototype_matching(features, labels, prototypes, cf.teacher_logits(), compat=compat)
        assert cf.near(found, golden)


def test_equals_the_equation_on_pseudo_labels() -> None:
    features, labels, prototypes = latent()
    pseudo = torch.where(labels == 0, cf.teacher_logits().argmax(1), 0)
    terms = [((pixels_of(features, pseudo, c).mean(0) - prototypes[c]) ** 2).mean() for c in (1, 2, 3)]
    found = prototype_matching(features, labels, prototypes, cf.teacher_logits())
    torch.testing.assert_close(found, torch.stack(terms).mean())


def test_old_classes_of_the_labels() -> None:
    features, labels, prototypes = latent()
    found = prototype_matching(features, labels, prototypes, num_old=5)
    expected = ((pixels_of(features, labels, 4).mean(0) - prototypes[4]) ** 2).mean()
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize('compat', [True, False])
def test_gradient(compat: bool) -> None:
    features, labels, prototypes = latent()
    assert cf.check_gradient(
        lambda f, p, z: prototype_matching(f, labels, p, z, compat=compat), features, prototypes, cf.teacher_logits()
    )


@pytest.mark.parametrize('compat', [True, False])
@pytest.mark.parametrize('label', [5, 255])
def test_no_old_class_costs_nothing(label: int, compat: bool) -> None:
    features, labels, prototypes = latent()
    features.requires_grad_(True)
    loss = prototype_matching(features, torch.full_like(labels, label), prototypes, cf.teacher_logits(), compat=compat)
    loss.backward()
    assert loss == 0 and not features.grad.any()


def test_source_of_old_classes_is_needed() -> None:
    with pytest.raises(ValueError, match='teacher_logits or num_old'):
        prototype_matching(*latent())
