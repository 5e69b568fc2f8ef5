"""Tests of upsampling by blocks and of its adjoint."""
from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from mmciss.functional.upsampled_blocks import (BlockGradient, UpsampledBlocks, interpolation_matrix,
                                                rows_per_block, sample_upsampled)

parametrize = pytest.mark.parametrize
SIZES = parametrize('old, new', [((3, 4), (12, 9)), ((5, 5), (5, 5)), ((7, 6), (3, 2)), ((1, 2), (4, 5))], ids=str)
ALIGN = parametrize('align', [False, True])


@ALIGN
def test_the_matrix_is_that_of_interpolate(align: bool) -> None:
    values = torch.randn(3, 5, dtype=torch.float64)
    found = values @ interpolation_matrix(5, 13, align, values)
    torch.testing.assert_close(found, F.interpolate(values[None], 13, mode='linear', align_corners=align)[0])


@SIZES
@ALIGN
@parametrize('rows', [1, 2, 100])
def test_blocks_are_the_upsampled_maps(old: tuple, new: tuple, align: bool, rows: int) -> None:
    maps = torch.randn(2, 3, *old)
    blocks = UpsampledBlocks(maps, new, min(rows, new[0]), align)
    expected = maps if old == new else F.interpolate(maps, new, mode='bilinear', align_corners=align)
    for image, first, last in blocks:
        part = expected[image, :, first:last]
        torch.testing.assert_close(blocks.read(image, first, last), part)
        torch.testing.assert_close(blocks.block(image, first, last), part.flatten(1))


@SIZES
@ALIGN
@parametrize('direct', [False, True])
def test_the_gradient_is_the_adjoint(old: tuple, new: tuple, align: bool, direct: bool) -> None:
    maps = torch.randn(2, 3, *old, dtype=torch.float64, requires_grad=True)
    upstream = torch.randn(2, 3, *new, dtype=torch.float64)
    full = maps * 1 if old == new else F.interpolate(maps, new, mode='bilinear', align_corners=align)
    expected, = torch.autograd.grad(full, maps, upstream)
    blocks = UpsampledBlocks(maps.detach(), new, 2, align)
    gradient = BlockGradient(blocks)
    for image, first, last in blocks:
        part = upstream[image, :, first:last]
        if direct:
            gradient.place(image, first, last).copy_(part)
            gradient.done(image, first, last)
        else:
            gradient.put(image, first, last, part.flatten(1))
    torch.testing.assert_close(gradient.total, expected)


@parametrize('dtype', [torch.float16, torch.bfloat16])
def test_half_precision_is_widened(dtype: torch.dtype) -> None:
    maps = torch.randn(1, 2, 3, 3).to(dtype)
    for size in ((3, 3), (6, 6)):
        blocks = UpsampledBlocks(maps, size, 2)
        assert blocks.read(0, 0, 2).dtype == blocks.block(0, 0, 2).dtype == torch.float32


@parametrize('channels, size, rows', [(21, (96, 96), 96), (151, (512, 512), 6), (10**6, (8, 8), 1), (1, (1, 1), 1)])
def test_rows_per_block(channels: int, size: tuple[int, int], rows: int) -> None:
    assert rows_per_block(channels, size, torch.device('cpu')) == rows


@ALIGN
@parametrize('old, grid', [((3, 4), (5, 7)), ((12, 9), (4, 4)), ((2, 2), (12, 9))], ids=str)
def test_samples_are_those_of_the_upsampled_maps(old: tuple, grid: tuple, align: bool) -> None:
    maps, size = torch.randn(2, 3, *old), (12, 9)
    full = maps if old == size else F.interpolate(maps, size, mode='bilinear', align_corners=align)
    expected = F.interpolate(full, grid, mode='nearest')
    torch.testing.assert_close(sample_upsampled(maps, size, grid, align), expected)
