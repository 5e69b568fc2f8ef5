"""Bilinear upsampling a few rows at a time, and its adjoint."""
from __future__ import annotations

import math
from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor

from .labels_at import sampled_places

BLOCK_ELEMENTS = {'cpu': 2**19, 'cuda': 2**25}
"""Numbers in one block: a few blocks stay in a CPU's caches, or keep a GPU busy."""


def rows_per_block(channels: int, size: tuple[int, int], device: torch.device) -> int:
    """Returns how many rows of ``channels`` maps of this size are worked on at a time.

    Blocks of one image are equally large but for the last one.
    """
    limit = BLOCK_ELEMENTS.get(device.type, BLOCK_ELEMENTS['cuda'])
    height, width = size
    most = max(1, limit // max(1, channels * width))
    blocks = -(-height // most)
    return -(-height // blocks)


def interpolation_matrix(old: int, new: int, align_corners: bool, like: Tensor) -> Tensor:
    """Returns the weights of linear interpolation along one axis, shape ``(old, new)``."""
    unit = torch.eye(old, dtype=like.dtype, device=like.device).unsqueeze(0)
    return F.interpolate(unit, new, mode='linear', align_corners=align_corners)[0]


def sample_upsampled(maps: Tensor, size: tuple[int, int], grid: tuple[int, int],
                     align_corners: bool = False) -> Tensor:
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
    vertical, horizontal = (interpolation_matrix(old, new, align_corners, maps)
                            for old, new in zip(maps.shape[-2:], size))
    with torch.autocast(maps.device.type, enabled=False):
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
        rows: Most rows in one block.
        align_corners: As in :func:`torch.nn.functional.interpolate`.
    """

    def __init__(self, maps: Tensor, size: tuple[int, int], rows: int,
                 align_corners: bool = False) -> None:
        self.maps = maps
        self.size = size
        self.rows = rows
        self.upsamples = tuple(maps.shape[-2:]) != tuple(size)
        self.buffer = maps.new_empty(maps.shape[1] * rows * size[1], dtype=wide_type(maps))
        self._image = -1
        if self.upsamples:
            self.vertical, self.horizontal = (
                interpolation_matrix(old, new, align_corners, self.buffer)
                for old, new in zip(maps.shape[-2:], size))

    def __iter__(self) -> Iterator[tuple[int, int, int]]:
        """Yields image, first row and the row after the last of each block."""
        height = self.size[0]
        for image in range(len(self.maps)):
            for first in range(0, height, self.rows):
                yield image, first, min(first + self.rows, height)

    def block(self, image: int, first: int, last: int) -> Tensor:
        """Returns rows ``first`` to ``last`` of one image, shape ``(C, (last - first) * W)``.

        The block may be overwritten; the next one takes its place.
        """
        block = self.memory(last - first)
        if not self.upsamples:
            block.copy_(self.maps[image, :, first:last])
        else:
            with self.full_precision():
                if image != self._image:
                    self._image = image
                    # (C, H, w), of one image at a time
                    self._stretched = self.vertical.T @ self.maps[image].to(self.buffer.dtype)
                narrow = self._stretched[:, first:last].flatten(0, 1)
                torch.mm(narrow, self.horizontal, out=block.view(len(narrow), -1))
        return block.flatten(1)

    def full_precision(self) -> torch.autocast:
        """Returns a context without autocast, which would take products in half precision."""
        return torch.autocast(self.maps.device.type, enabled=False)

    def read(self, image: int, first: int, last: int) -> Tensor:
        """Returns the same rows as ``(C, last - first, W)``, not to be overwritten."""
        if self.upsamples or self.maps.dtype != self.buffer.dtype:
            return self.block(image, first, last).view(-1, last - first, self.size[1])
        return self.maps[image, :, first:last]

    def memory(self, rows: int) -> Tensor:
        """Returns the buffer as ``(C, rows, W)``."""
        shape = self.maps.shape[1], rows, self.size[1]
        return self.buffer[:math.prod(shape)].view(shape)


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
        whole = blocks.rows >= blocks.size[0]
        self._direct = whole and not blocks.upsamples and kind == blocks.buffer.dtype
        self.total = maps.new_empty(maps.shape, dtype=kind)
        if not self._direct:
            self._memory = torch.empty_like(blocks.buffer)
        if blocks.upsamples:
            self._stretched = maps.new_empty((maps.shape[1], blocks.size[0], maps.shape[3]),
                                             dtype=kind)

    def place(self, image: int, first: int, last: int) -> Tensor:
        """Returns where to write the gradient of one block, ``(C, last - first, W)``."""
        if self._direct:
            return self.total[image, :, first:last]
        shape = self.total.shape[1], last - first, self._blocks.size[1]
        return self._memory[:math.prod(shape)].view(shape)

    def done(self, image: int, first: int, last: int) -> None:
        """Takes what was written to :meth:`place`."""
        if not self._direct:
            self.put(image, first, last, self.place(image, first, last).flatten(1))

    def put(self, image: int, first: int, last: int, gradient: Tensor) -> None:
        """Takes the gradient of one block, shape ``(C, (last - first) * W)``."""
        blocks = self._blocks
        gradient = gradient.view(len(gradient), last - first, -1)
        if not blocks.upsamples:
            self.total[image, :, first:last] = gradient
            return
        with blocks.full_precision():
            narrow = gradient.flatten(0, 1) @ blocks.horizontal.T
            self._stretched[:, first:last] = narrow.view(*gradient.shape[:2], -1)
            if last == blocks.size[0]:
                torch.matmul(blocks.vertical, self._stretched, out=self.total[image])
