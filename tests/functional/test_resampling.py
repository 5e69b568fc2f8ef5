"""Tests of labels and scores at another size."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from mmciss.functional import labels_at
from mmciss.functional.resampling import (
    BlockGradient,
    UpsampledBlocks,
    block_shape,
    interpolation_matrix,
    sample_upsampled,
)


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


parametrize = pytest.mark.parametrize
SIZES = parametrize('old, new', [((3, 4), (12, 9)), ((5, 5), (5, 5)), ((7, 6), (3, 2)), ((1, 2), (4, 5))], ids=str)
ALIGN = parametrize('align', [False, True])


@ALIGN
def test_the_matrix_is_that_of_interpolate(align: bool) -> None:
    values = torch.randn(3, 5, dtype=torch.float64)
    found = values @ interpolation_matrix(5, 13, align, values)
    torch.testing.assert_close(found, F.interpolate(values[None], 13, mode='linear', align_corners=align)[0])


SHAPES = parametrize('shape', [(1, 1), (1, 2), (2, 100), (3, 100), None], ids=str)


def shaped(shape: tuple[int, int] | None, height: int) -> tuple[int, int] | None:
    """Cuts the rows of a block to those of an image."""
    return None if shape is None else (shape[0], min(shape[1], height))


@SIZES
@ALIGN
@SHAPES
def test_blocks_are_the_upsampled_maps(old: tuple, new: tuple, align: bool, shape: tuple | None) -> None:
    maps = torch.randn(3, 4, *old)
    blocks = UpsampledBlocks(maps, new, align, shaped(shape, new[0]))
    expected = maps if old == new else F.interpolate(maps, new, mode='bilinear', align_corners=align)
    seen = torch.zeros(3, *new)
    for images, rows in blocks:
        part = expected[images, :, rows].transpose(0, 1)
        torch.testing.assert_close(blocks.read(images, rows), part)
        seen[images, rows] += 1
    assert (seen == 1).all()


@SIZES
@ALIGN
@SHAPES
def test_the_gradient_is_the_adjoint(old: tuple, new: tuple, align: bool, shape: tuple | None) -> None:
    maps = torch.randn(3, 4, *old, dtype=torch.float64, requires_grad=True)
    upstream = torch.randn(3, 4, *new, dtype=torch.float64)
    full = maps * 1 if old == new else F.interpolate(maps, new, mode='bilinear', align_corners=align)
    (expected,) = torch.autograd.grad(full, maps, upstream)
    blocks = UpsampledBlocks(maps.detach(), new, align, shaped(shape, new[0]))
    gradient = BlockGradient(blocks)
    for images, rows in blocks:
        part = upstream[images, :, rows].transpose(0, 1)
        gradient.put(images, rows, part)
    torch.testing.assert_close(gradient.total, expected)


@parametrize('dtype', [torch.float16, torch.bfloat16])
def test_half_precision_is_widened(dtype: torch.dtype) -> None:
    maps = torch.randn(1, 2, 3, 3).to(dtype)
    for size in ((3, 3), (6, 6)):
        blocks = UpsampledBlocks(maps, size)
        place = next(iter(blocks))
        assert blocks.read(*place).dtype == torch.float32


@parametrize(
    'number, channels, size, shape',
    [(8, 21, (96, 96), (2, 96)), (4, 151, (512, 512), (1, 6)), (2, 10**7, (8, 8), (1, 1)), (2, 1, (1, 1), (2, 1))],
)
def test_block_shape(number: int, channels: int, size: tuple[int, int], shape: tuple[int, int]) -> None:
    assert block_shape((number, channels, 4, 4), size, torch.device('cpu')) == shape


@ALIGN
@parametrize('old, grid', [((3, 4), (5, 7)), ((12, 9), (4, 4)), ((2, 2), (12, 9))], ids=str)
def test_samples_are_those_of_the_upsampled_maps(old: tuple, grid: tuple, align: bool) -> None:
    maps, size = torch.randn(2, 3, *old), (12, 9)
    full = maps if old == size else F.interpolate(maps, size, mode='bilinear', align_corners=align)
    expected = F.interpolate(full, grid, mode='nearest')
    torch.testing.assert_close(sample_upsampled(maps, size, grid, align), expected)
