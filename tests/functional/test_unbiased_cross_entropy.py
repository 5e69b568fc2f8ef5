"""Tests of the unbiased cross-entropy."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from mmciss.functional import unbiased_cross_entropy
from tests.functional import closed_form as cf


def reference(logits: np.ndarray, target: np.ndarray, num_old: int) -> np.ndarray:
    """The equation pixel by pixel, shape (N, H, W)."""
    p = np.exp(logits - logits.max(1, keepdims=True))
    p /= p.sum(1, keepdims=True)
    loss = np.zeros(target.shape)
    for n, h, w in np.ndindex(*target.shape):
        y = target[n, h, w]
        if y != 255:
            loss[n, h, w] = -np.log(p[n, :num_old, h, w].sum() if y < num_old else p[n, y, h, w])
    return loss


def test_golden_values() -> None:
    z, y = cf.logits(), cf.labels()
    assert cf.near(unbiased_cross_entropy(z, y, 4), 1.283129)
    assert cf.near(unbiased_cross_entropy(z, y, 4, reduction='valid_mean'), 1.324521)
    assert cf.near(unbiased_cross_entropy(z, y, 0), 2.909718)


@pytest.mark.parametrize('num_old', [0, 1, 4, 5, 6])
def test_equals_the_equation(num_old: int) -> None:
    z, y = cf.logits().double(), cf.labels()
    if num_old == 6:
        y = y.masked_fill((y > 3) & (y != 255), 3)
    found = unbiased_cross_entropy(z, y, num_old, reduction='none')
    np.testing.assert_allclose(found, reference(z.numpy(), y.numpy(), num_old), rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize('num_old', [0, 1])
def test_with_background_alone_it_is_cross_entropy(num_old: int) -> None:
    z, y = cf.logits(), cf.labels()
    torch.testing.assert_close(
        unbiased_cross_entropy(z, y, num_old, reduction='valid_mean'), F.cross_entropy(z, y, ignore_index=255)
    )


@given(st.integers(1, 5), st.integers(0, 2**31), st.randoms(use_true_random=False))
@settings(max_examples=20, deadline=None)
def test_old_channels_may_be_permuted(num_old: int, seed: int, random) -> None:
    generator = torch.Generator().manual_seed(seed)
    z = torch.randn(1, 6, 3, 4, generator=generator) * 5
    y = torch.randint(0, 6, (1, 3, 4), generator=generator)
    order = list(range(num_old))
    random.shuffle(order)
    permuted = z[:, order + list(range(num_old, 6))]
    torch.testing.assert_close(unbiased_cross_entropy(z, y, num_old), unbiased_cross_entropy(permuted, y, num_old))


@pytest.mark.parametrize('num_old', [0, 4, 6])
def test_gradient(num_old: int) -> None:
    y = cf.labels()[:1, :3, :3].clone()
    y[0, 0, 1] = 2
    if num_old == 6:
        y[y != 255] = 1
    assert cf.check_gradient(lambda z: unbiased_cross_entropy(z, y, num_old), cf.logits()[:1, :, :3, :3])


@pytest.mark.parametrize('label', [0, 3, 5, 255])
@pytest.mark.parametrize('reduction', ['pixel_mean', 'valid_mean'])
@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16, torch.float32])
def test_finite_for_one_sided_batches_and_extreme_logits(label: int, reduction: str, dtype: torch.dtype) -> None:
    z = torch.tensor([3e4, -3e4, 0, 1, -2, 3e4]).view(1, 6, 1, 1).expand(1, 6, 2, 2).to(dtype)
    z = z.clone().requires_grad_(True)
    loss = unbiased_cross_entropy(z, torch.full((1, 2, 2), label), 4, reduction=reduction)
    loss.backward()
    assert torch.isfinite(loss) and torch.isfinite(z.grad).all()
    assert (label == 255) == (not z.grad.any() and loss == 0) or label < 4


def test_confident_old_pixels_keep_their_digits() -> None:
    z = torch.tensor([20.0, 0.0, 0.0]).view(1, 3, 1, 1)
    loss = unbiased_cross_entropy(z, torch.zeros(1, 1, 1, dtype=torch.long), 2)
    assert float(loss) == pytest.approx(np.log1p(np.exp(-20.0)), rel=1e-4)


def test_weights_scale_the_sum_only() -> None:
    z, y = cf.logits(), cf.labels()
    weight = torch.tensor([0.25, 2.0]).view(2, 1, 1)
    per_pixel = unbiased_cross_entropy(z, y, 4, reduction='none')
    torch.testing.assert_close(unbiased_cross_entropy(z, y, 4, weight=weight), (per_pixel * weight).mean())


def test_unknown_reduction_is_refused() -> None:
    with pytest.raises(ValueError, match="'mean'.*pixel_mean"):
        unbiased_cross_entropy(cf.logits(), cf.labels(), 4, reduction='mean')
