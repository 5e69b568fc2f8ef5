"""Tests of the reductions."""

from __future__ import annotations

import pytest
import torch

from mmciss.functional import reduce_pixels

LOSS = torch.tensor([[[1.0, 2.0], [3.0, 0.0]]])
TARGET = torch.tensor([[[0, 1], [2, 255]]])


def test_denominators() -> None:
    assert reduce_pixels(LOSS, TARGET, 'pixel_mean') == 6 / 4
    assert reduce_pixels(LOSS, TARGET, 'valid_mean') == 6 / 3
    assert reduce_pixels(LOSS, TARGET, 'valid_mean', ignore_index=2) == 6 / 3
    assert torch.equal(reduce_pixels(LOSS, TARGET, 'none'), LOSS)


def test_weight_scales_the_sum() -> None:
    weight = torch.tensor(0.5)
    assert reduce_pixels(LOSS, TARGET, 'valid_mean', weight=weight) == 1
    assert torch.equal(reduce_pixels(LOSS, TARGET, 'none', weight=weight), LOSS / 2)


def test_no_valid_pixel_gives_zero() -> None:
    assert reduce_pixels(torch.zeros(1, 2, 2), torch.full((1, 2, 2), 255), 'valid_mean') == 0


def test_unknown_name() -> None:
    with pytest.raises(ValueError, match="'sum'.*none, pixel_mean, valid_mean"):
        reduce_pixels(LOSS, TARGET, 'sum')
