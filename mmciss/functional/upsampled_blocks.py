"""Bilinear upsampling a few rows at a time, and its adjoint."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from .labels_at import sampled_places

BLOCK_ELEMENTS = {'cpu': 2**19, 'cuda': 2**25}
"""Numbers in one block: a few blocks stay in a CPU's caches, or keep a GPU busy."""


def block_shape(shape: Sequence[int], size: tuple[int, int], device: torch.device) -> tuple[int, int]:
    """Returns how many images and rows are worked on at a time: some rows, or whole images.

    Blocks of one image are equally large but for the last one.

    Args:
        shape: Shape ``(N, C, h, w)`` of the maps.
        size: Their height and width after upsampling.
        device: Where they are.
    """
    limit = BLOCK_ELEMENTS.get(device.type, BLOCK_ELEMENTS['cuda'])
    row = max(1, shape[1] * size[1])
    images = max(1, min(shape[0], limit // (row * size[0])))
    blocks = -(-size[0] // max(1, limit // row))
    return images, -(-size[0] // blocks)


def interpolation_matrix(old: int, new: int, align_corners: bool, like: Tensor) -> Tensor:
    """Returns the weights of linear interpolation along one axis, shape ``(old, new)``."""
    unit = torch.eye(old, dtype=like.dtype, device=like.device).unsqueeze(0)
    return F.interpolate(unit, new, mode='linear', align_corners=align_corners)[0]


def sample_upsampled(maps: Tensor, size: tuple[int, int], grid: tuple[int, int], align_corners: bool = False) -> Tensor:
    """Returns what nearest-neighbour downsampling to ``grid`` finds in maps upsampled to ``size``.

    Only the pixels that are found are computed.

    Args:
        maps: Shape ``(N, C, h, w)``.
        size: Height and width after bilinear upsampling.
        grid: Height and width of the samples, see :func:`~mmciss.functional.labels_at.labels_at`.
        align_corners: How maps are upsampled.

    Returns:
        Shape ``(N, C, *grid)``, at least float32.
    """
    maps = maps.to(wide_type(maps))
    rows, columns = (sampled_places(old, new, maps.device) for old, new in zip(size, grid))
    if tuple(maps.shape[-2:]) == tuple(size):
        return maps[..., rows[:, None], columns]
    vertical, horizontal = (
        interpolation_matrix(old, new, align_corners, maps) for old, new in zip(maps.shape[-2:], size)
    )
    with full_precision(maps):
        return vertical[:, rows].T @ maps @ horizontal[:, columns]


def wide_type(values: Tensor) -> torch.dtype:
    """Returns float64 for float64 and float32 for all other types."""
    return torch.promote_types(values.dtype, torch.float32)


class UpsampledBlocks:
    """Maps as they would be after bilinear upsampling, made block by block.

    Upsampling is separable: a product with a small matrix along the height, at the width that the
    maps have, then one along the width. So no map of the full size ever exists, and the adjoint,
    which brings gradients back, is the same two products transposed.

    Args:
        maps: Shape ``(N, C, h, w)``; half precision is widened block by block.
        size: Height and width ``(H, W)`` after upsampling.
        align_corners: As in :func:`torch.nn.functional.interpolate`.
        shape: Most images and rows in one block; several images only with all their rows. None for
            what suits the maps.
    """

    def __init__(
        self, maps: Tensor, size: tuple[int, int], align_corners: bool = False, shape: tuple[int, int] | None = None
    ) -> None:
        self.maps = maps
        self.size = size
        self.shape = block_shape(maps.shape, size, maps.device) if shape is None else shape
        self.upsamples = tuple(maps.shape[-2:]) != tuple(size)
        images, rows = self.shape
        self.buffer = maps.new_empty(maps.shape[1] * images * rows * size[1], dtype=wide_type(maps))
        self._first_image = -1
        if self.upsamples:
            self.vertical, self.horizontal = (
                interpolation_matrix(old, new, align_corners, self.buffer) for old, new in zip(maps.shape[-2:], size)
            )

    def __iter__(self) -> Iterator[tuple[slice, slice]]:
        """Yields the images and rows of each block."""
        number, height = len(self.maps), self.size[0]
        images, rows = self.shape
        for image in range(0, number, images):
            for first in range(0, height, rows):
                yield slice(image, min(image + images, number)), slice(first, min(first + rows, height))

    def block(self, images: slice, rows: slice) -> Tensor:
        """Returns a block, shape ``(C, P)``, its pixels in the order image, row, column.

        It may be overwritten; the next one takes its place.
        """
        block = view_of(self.buffer, self.block_size(images, rows))
        if not self.upsamples:
            block.copy_(self.maps[images, :, rows].transpose(0, 1))
            return block.flatten(1)
        with full_precision(self.maps):
            if images.start != self._first_image:
                self._first_image = images.start
                # (C, images, H, w)
                maps = self.maps[images].transpose(0, 1).to(self.buffer.dtype)
                self._stretched = self.vertical.T @ maps
            narrow = self._stretched[:, :, rows].flatten(0, 2)
            torch.mm(narrow, self.horizontal, out=block.view(len(narrow), -1))
        return block.flatten(1)

    def read(self, images: slice, rows: slice) -> Tensor:
        """Returns a block as ``(C, images, rows, W)``, not to be overwritten."""
        if self.upsamples or self.maps.dtype != self.buffer.dtype:
            return self.block(images, rows).view(self.block_size(images, rows))
        return self.maps[images, :, rows].transpose(0, 1)

    def block_size(self, images: slice, rows: slice) -> tuple[int, int, int, int]:
        """Returns channels, images, rows and columns of a block."""
        return (self.maps.shape[1], images.stop - images.start, rows.stop - rows.start, self.size[1])


class BlockGradient:
    """Collects what flows back into maps that :class:`UpsampledBlocks` upsampled.

    Every block comes once, those of an image in order: :meth:`put`, or :meth:`place` and then
    :meth:`done`.

    Attributes:
        total: The gradient, shape ``(N, C, h, w)``, once every block has come.

    Args:
        blocks: The upsampling to turn round.
    """

    def __init__(self, blocks: UpsampledBlocks) -> None:
        maps = blocks.maps
        self._blocks = blocks
        kind = blocks.buffer.dtype if blocks.upsamples else maps.dtype
        # A few rows of every channel lie apart in memory, where exponentials are slow.
        whole = blocks.shape == (1, blocks.size[0])
        self._direct = whole and not blocks.upsamples and kind == blocks.buffer.dtype
        self.total = maps.new_empty(maps.shape, dtype=kind)
        if not self._direct:
            self._memory = torch.empty_like(blocks.buffer)
        if blocks.upsamples:
            self._stretched = maps.new_empty(
                maps.shape[1] * blocks.shape[0] * blocks.size[0] * maps.shape[3], dtype=kind
            )

    def place(self, images: slice, rows: slice) -> Tensor:
        """Returns where to write the gradient of a block, ``(C, images, rows, W)``."""
        if self._direct:
            return self.total[images, :, rows].transpose(0, 1)
        return view_of(self._memory, self._blocks.block_size(images, rows))

    def done(self, images: slice, rows: slice) -> None:
        """Takes what was written to :meth:`place`."""
        if not self._direct:
            self.put(images, rows, self.place(images, rows))

    def put(self, images: slice, rows: slice, gradient: Tensor) -> None:
        """Takes the gradient of a block, ``(C, P)`` or ``(C, images, rows, W)``."""
        blocks = self._blocks
        size = blocks.block_size(images, rows)
        gradient = gradient.view(size)
        if not blocks.upsamples:
            self.total[images, :, rows] = gradient.transpose(0, 1)
            return
        width = self.total.shape[3]
        stretched = view_of(self._stretched, (*size[:2], blocks.size[0], width))
        with full_precision(gradient):
            narrow = gradient.flatten(0, 2) @ blocks.horizontal.T
            stretched[:, :, rows] = narrow.view(*size[:3], width)
            if rows.stop == blocks.size[0]:
                self.total[images] = (blocks.vertical @ stretched).transpose(0, 1)


def view_of(memory: Tensor, shape: Sequence[int]) -> Tensor:
    """Returns the first numbers of a flat tensor in another shape."""
    return memory[: math.prod(shape)].view(shape)


def full_precision(like: Tensor) -> torch.autocast:
    """Returns a context without autocast, which would take products in half precision."""
    return torch.autocast(like.device.type, enabled=False)
