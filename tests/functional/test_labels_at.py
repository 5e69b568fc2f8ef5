"""Tests of the downsampling of labels."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from mmciss.functional import labels_at


@given(st.integers(1, 40), st.integers(1, 40), st.integers(1, 40), st.integers(1, 40))
@settings(max_examples=60, deadline=None)
def test_equals_nearest_interpolation(height: int, width: int, h: int, w: int) -> None:
    labels = torch.arange(2 * height * width).view(2, height, width)
    # The scale as exact fraction: interpolate computes it in float32, and may be one row off.
    rows, columns = [i * height // h for i in range(h)], [j * width // w for j in range(w)]
    assert torch.equal(labels_at(labels, (h, w)), labels[:, rows][:, :, columns])


def test_powers_of_two_equal_torch() -> None:
    labels = torch.arange(2 * 32 * 64).view(2, 32, 64)
    expected = F.interpolate(labels[:, None].double(), (4, 16), mode='nearest')[:, 0].long()
    assert torch.equal(labels_at(labels, (4, 16)), expected)


def test_right_size_is_returned_as_it_is() -> None:
    labels = torch.zeros(1, 4, 4, dtype=torch.bool)
    assert labels_at(labels, (4, 4)) is labels


def test_centres() -> None:
    labels = torch.arange(32 * 64).view(1, 32, 64)
    assert torch.equal(labels_at(labels, (2, 4), centre=True), labels[:, 8::16, 8::16])
    assert labels_at(labels, (32, 64), centre=True) is labels
