"""Tests of the summed binary cross-entropy."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from mmciss.functional import binary_cross_entropy
from tests.functional import closed_form as cf


def reference(logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    one_hot = torch.stack([(target == c).to(logits) for c in range(logits.shape[1])], 1)
    loss = F.binary_cross_entropy_with_logits(logits, one_hot, reduction='none').sum(1)
    return loss * (target != 255)


def test_golden_values() -> None:
    z, y = cf.logits(), cf.labels()
    assert cf.near(binary_cross_entropy(z, y), 6.567945)
    assert cf.near(binary_cross_entropy(z, y, reduction='pixel_mean'), 6.362697)


def test_equals_the_equation() -> None:
    z, y = cf.logits().double(), cf.labels()
    torch.testing.assert_close(binary_cross_entropy(z, y, reduction='none'), reference(z, y))


def test_negative_index_is_a_negative_example_for_all_channels() -> None:
    z, y = cf.logits(), cf.labels()
    y[1, 2, 3] = 254
    loss = binary_cross_entropy(z, y, reduction='none', negative_index=254)
    torch.testing.assert_close(loss, reference(z, y))
    torch.testing.assert_close(loss[1, 2, 3], F.softplus(z[1, :, 2, 3]).sum())


def test_gradient() -> None:
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
