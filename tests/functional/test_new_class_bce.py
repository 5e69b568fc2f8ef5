"""Tests of DKD's classification loss."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from mmciss.functional import new_class_bce
from tests.functional import closed_form as cf


def logits_and_labels() -> tuple[Tensor, Tensor]:
    u = cf.stripes((2, 8, 8), 4)
    target = torch.where(u < 2, 0, u + 2)
    target[1, 7] = 255
    return cf.wave((2, 6, 8, 8), 0.31, 0.2), target


def reference(logits: Tensor, target: Tensor, ids: list[int], weight: float) -> Tensor:
    one_hot = torch.stack([(target == k).to(logits) for k in ids], 1)
    loss = F.binary_cross_entropy_with_logits(
        logits[:, ids], one_hot, reduction='none', pos_weight=torch.tensor(weight)
    )
    return loss.sum(1)


def test_golden_value() -> None:
    assert cf.near(new_class_bce(*logits_and_labels(), [4, 5], 2.0), 2.366299)


@pytest.mark.parametrize('ids', [[4, 5], [5, 4], [2, 5], [4], [1, 2, 3, 4, 5]])
def test_equals_the_equation_for_any_choice_of_classes(ids: list[int]) -> None:
    z, y = logits_and_labels()
    found = new_class_bce(z.double(), y, ids, 3.0, reduction='none')
    torch.testing.assert_close(found, reference(z.double(), y, ids, 3.0))


def test_ignored_pixels_are_negatives_unless_told_otherwise() -> None:
    z, y = logits_and_labels()
    plain, without = (new_class_bce(z, y, [4, 5], 2.0, i, 'none') for i in (None, 255))
    assert plain[y == 255].all() and not without[y == 255].any()
    torch.testing.assert_close(plain[y != 255], without[y != 255])


def test_no_new_class() -> None:
    z, y = logits_and_labels()
    assert new_class_bce(z, y, []) == 0


def test_gradient() -> None:
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
