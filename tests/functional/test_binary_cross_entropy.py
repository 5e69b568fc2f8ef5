"""Tests of sigmoid losses."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from mmciss.functional import auxiliary_classifier_loss, binary_cross_entropy, new_class_bce
from tests.functional import closed_form as cf


def binary_cross_entropy_reference(logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    one_hot = torch.stack([(target == c).to(logits) for c in range(logits.shape[1])], 1)
    loss = F.binary_cross_entropy_with_logits(logits, one_hot, reduction='none').sum(1)
    return loss * (target != 255)


def test_golden_values() -> None:
    z, y = cf.logits(), cf.labels()
    assert cf.near(binary_cross_entropy(z, y), 6.567945)
    assert cf.near(binary_cross_entropy(z, y, reduction='pixel_mean'), 6.362697)


def test_equals_the_equation() -> None:
    z, y = cf.logits().double(), cf.labels()
    torch.testing.assert_close(binary_cross_entropy(z, y, reduction='none'), binary_cross_entropy_reference(z, y))


def test_negative_index_is_a_negative_example_for_all_channels() -> None:
    z, y = cf.logits(), cf.labels()
    y[1, 2, 3] = 254
    loss = binary_cross_entropy(z, y, reduction='none', negative_index=254)
    torch.testing.assert_close(loss, binary_cross_entropy_reference(z, y))
    torch.testing.assert_close(loss[1, 2, 3], F.softplus(z[1, :, 2, 3]).sum())


def test_binary_cross_entropy_gradient() -> None:
    y = cf.labels()[:1, :3, :3]
    assert cf.check_gradient(lambda z: binary_cross_entropy(z, y), cf.logits()[:1, :, :3, :3])


@pytest.mark.parametrize('label', [0, 5, 255])
@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16])
def test_finite(label: int, dtype: torch.dtype) -> None:
    z = (cf.logits() * 1e4).to(dtype).requires_grad_(True)
    loss = binary_cross_entropy(z, torch.full((2, 8, 8), label))
    loss.backward()
    assert torch.isfinite(loss) and torch.isfinite(z.grad).all() and (loss == 0) == (label == 255)


def test_label_outside_the_channels_is_not_taken_silently() -> None:
    with pytest.raises((RuntimeError, IndexError)):
        binary_cross_entropy(cf.logits(), torch.full((2, 8, 8), 6))


def logits_and_labels() -> tuple[Tensor, Tensor]:
    u = cf.stripes((2, 8, 8), 4)
    target = torch.where(u < 2, 0, u + 2)
    target[1, 7] = 255
    return cf.wave((2, 6, 8, 8), 0.31, 0.2), target


def new_class_bce_reference(logits: Tensor, target: Tensor, ids: list[int], weight: float) -> Tensor:
    one_hot = torch.stack([(target == k).to(logits) for k in ids], 1)
    loss = F.binary_cross_entropy_with_logits(
        logits[:, ids], one_hot, reduction='none', pos_weight=torch.tensor(weight)
    )
    return loss.sum(1)


def test_new_class_bce_golden_value() -> None:
    assert cf.near(new_class_bce(*logits_and_labels(), [4, 5], 2.0), 2.366299)


@pytest.mark.parametrize('ids', [[4, 5], [5, 4], [2, 5], [4], [1, 2, 3, 4, 5]])
def test_equals_the_equation_for_any_choice_of_classes(ids: list[int]) -> None:
    z, y = logits_and_labels()
    found = new_class_bce(z.double(), y, ids, 3.0, reduction='none')
    torch.testing.assert_close(found, new_class_bce_reference(z.double(), y, ids, 3.0))


def test_ignored_pixels_are_negatives_unless_told_otherwise() -> None:
    z, y = logits_and_labels()
    plain, without = (new_class_bce(z, y, [4, 5], 2.0, i, 'none') for i in (None, 255))
    assert plain[y == 255].all() and not without[y == 255].any()
    torch.testing.assert_close(plain[y != 255], without[y != 255])


def test_no_new_class() -> None:
    z, y = logits_and_labels()
    assert new_class_bce(z, y, []) == 0


def test_new_class_bce_gradient() -> None:
    y = logits_and_labels()[1][:1, :3, :4]
    assert cf.check_gradient(lambda z: new_class_bce(z, y, [4, 5], 2.0), cf.logits()[:1, :, :3, :4])


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16])
def test_half_precision_is_finite(dtype: torch.dtype) -> None:
    z, y = logits_and_labels()
    assert torch.isfinite(new_class_bce((z * 1e4).to(dtype), y, [4, 5], 35.0))


def test_wrong_arguments() -> None:
    z, y = logits_and_labels()
    with pytest.raises(ValueError, match=r'class_ids: \[6\]'):
        new_class_bce(z, y, [6])
    with pytest.raises(ValueError, match="reduction.*'sum'"):
        new_class_bce(z, y, [5], reduction='sum')


def test_auxiliary_classifier_golden_value() -> None:
    assert cf.near(auxiliary_classifier_loss(cf.wave((2, 6, 8, 8), 0.31, 0.2)[:, :1]), 1.160701)


def test_positive_and_ignored_pixels() -> None:
    z = cf.wave((2, 1, 8, 8), 0.31, 0.2).double()
    positive, ignored = cf.labels() == 3, cf.labels() == 255
    expected = F.binary_cross_entropy_with_logits(z[:, 0][~ignored], positive[~ignored].double())
    torch.testing.assert_close(auxiliary_classifier_loss(z, positive, ignored), expected)
    assert auxiliary_classifier_loss(z, positive, torch.ones_like(ignored)) == 0


def test_auxiliary_classifier_gradient() -> None:
    positive = cf.labels()[:1, :3, :3] == 1
    assert cf.check_gradient(lambda z: auxiliary_classifier_loss(z, positive), cf.wave((1, 2, 3, 3), 0.31, 0.2))
