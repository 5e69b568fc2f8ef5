"""Maps at another size: labels at that of a feature map, and scores upsampled a few rows at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from .numerics import full_precision, wide_type


def labels_at(labels: Tensor, size: tuple[int, ...], centre: bool = False) -> Tensor:
    """Downsamples labels by nearest neighbour, without going through floating point.

    The rule is that of ``torch.nn.functional.interpolate(mode='nearest')``: row ``i`` of ``h`` takes row ``floor(i * H
    / h)``.

    Args:
        labels: Any integer or boolean map, shape ``(N, H, W)``.
        size: Height and width ``(h, w)``.
        centre: Whether row ``i`` takes the row in the middle of those it stands for, ``floor((2 i + 1) H / 2 h)``.

    Returns:
        Shape ``(N, h, w)``; the input itself if it already has the size.
    """
    if tuple(labels.shape[-2:]) == tuple(size):
        return labels
    rows, columns = (
        sampled_places(old, new, labels.device, centre) for old, new in zip(labels.shape[-2:], size, strict=True)
    )
    return labels[:, rows[:, None], columns]


def sampled_places(old: int, new: int, device: torch.device, centre: bool = False) -> Tensor:
    """Returns the indices of the ``new`` rows among the ``old`` ones, shape ``(new,)``."""
    if centre:
        return (2 * torch.arange(new, device=device) + 1) * old // (2 * new)
    return torch.arange(new, device=device) * old // new


BLOCK_ELEMENTS = {'cpu': 2**19, 'cuda': 2**25}
"""Elements of one block: few enough for several blocks to stay in a CPU's caches, enough to keep a GPU busy."""


def block_shape(shape: Sequence[int], size: tuple[int, ...], device: torch.device) -> tuple[int, int]:
    """Returns the number of images and of rows in a block: rows of one image, or several whole images.

    The blocks of an image are equally large, except for the last one.

    Args:
        shape: Shape ``(N, C, h, w)`` of the maps.
        size: Their height and width after upsampling.
        device: Their device.
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


def sample_upsampled(maps: Tensor, size: tuple[int, ...], grid: tuple[int, ...], align_corners: bool = False) -> Tensor:
    """Upsamples maps to ``size`` and samples them at ``grid`` by nearest neighbour.

    Only the sampled pixels are computed.

    Args:
        maps: Shape ``(N, C, h, w)``.
        size: Height and width after bilinear upsampling.
        grid: Height and width of the samples, see :func:`~mmciss.functional.resampling.labels_at`.
        align_corners: How maps are upsampled.

    Returns:
        Shape ``(N, C, *grid)``, at least float32.
    """
    maps = maps.to(wide_type(maps))
    rows, columns = (sampled_places(old, new, maps.device) for old, new in zip(size, grid, strict=True))
    if tuple(maps.shape[-2:]) == tuple(size):
        return maps[..., rows[:, None], columns]
    vertical, horizontal = (
        interpolation_matrix(old, new, align_corners, maps) for old, new in zip(maps.shape[-2:], size, strict=True)
    )
    with full_precision(maps):
        return vertical[:, rows].T @ maps @ horizontal[:, columns]


class UpsampledBlocks:
    """Maps as they would be after bilinear upsampling, made block by block.

    Bilinear upsampling is two products with small matrices, ``vertical.T @ maps @ horizontal``. The first one is taken
    for whole images, at the width of the maps; the second one for a few rows at a time, so no map of the full size ever
    exists. Gradients come back through the same two products, transposed, see :class:`BlockGradient`.

    Args:
        maps: Shape ``(N, C, h, w)``; half precision is widened block by block.
        size: Height and width ``(H, W)`` after upsampling.
        align_corners: As in :func:`torch.nn.functional.interpolate`.
        shape: Images and rows in one block; with several images, all rows. None for :func:`block_shape`.
    """

    def __init__(
        self, maps: Tensor, size: tuple[int, ...], align_corners: bool = False, shape: tuple[int, ...] | None = None
    ) -> None:
        self.maps = maps
        self.size = size
        self.shape = block_shape(maps.shape, size, maps.device) if shape is None else shape
        self.dtype = wide_type(maps)
        self.upsamples = tuple(maps.shape[-2:]) != tuple(size)
        if self.upsamples:
            like = maps.new_empty(0, dtype=self.dtype)
            self.vertical, self.horizontal = (
                interpolation_matrix(old, new, align_corners, like)
                for old, new in zip(maps.shape[-2:], size, strict=True)
            )

    def __iter__(self) -> Iterator[tuple[slice, slice]]:
        """Yields the images and rows of each block, those of an image in order."""
        number, height = len(self.maps), self.size[0]
        images, rows = self.shape
        for image in range(0, number, images):
            for first in range(0, height, rows):
                yield slice(image, min(image + images, number)), slice(first, min(first + rows, height))

    def read(self, images: slice, rows: slice) -> Tensor:
        """Returns a block, shape ``(C, images, rows, W)``, at least float32, which may be a part of the maps.

        Blocks are read in the order in which they are yielded.
        """
        if not self.upsamples:
            return self.maps[images, :, rows].transpose(0, 1).to(self.dtype)
        with full_precision(self.maps):
            if rows.start == 0:
                # All rows of these images at the width of the maps, (C, images, H, w): small, and every block of the
                # images is cut from it.
                self._stretched = self.vertical.T @ self.maps[images].transpose(0, 1).to(self.dtype)
            narrow = self._stretched[:, :, rows]
            return (narrow.flatten(0, 2) @ self.horizontal).view(*narrow.shape[:3], -1)


class BlockGradient:
    """Brings the gradients of blocks back to the maps that :class:`UpsampledBlocks` upsampled.

    Attributes:
        total: The gradient, shape ``(N, C, h, w)``, once :meth:`put` was called for every block, in order.

    Args:
        blocks: The upsampled maps.
    """

    def __init__(self, blocks: UpsampledBlocks) -> None:
        self._blocks = blocks
        # Of maps that are not upsampled the gradient is as large as they are: kept in their own precision.
        kind = blocks.dtype if blocks.upsamples else blocks.maps.dtype
        self.total = blocks.maps.new_empty(blocks.maps.shape, dtype=kind)
        self._memory: Tensor | None = None

    def memory(self, images: slice, rows: slice, like: Tensor) -> Tensor:
        """Returns where to write the gradient of a block, shaped like the block: in ``total`` itself if that fits."""
        fits = not self._blocks.upsamples and self.total.dtype == like.dtype
        self._memory = self.total[images, :, rows].transpose(0, 1) if fits else None
        return torch.empty_like(like) if self._memory is None else self._memory

    def put(self, images: slice, rows: slice, gradient: Tensor) -> None:
        """Takes the gradient of a block, shape ``(C, images, rows, W)``."""
        if gradient is self._memory:
            return
        blocks = self._blocks
        if not blocks.upsamples:
            self.total[images, :, rows] = gradient.transpose(0, 1)
            return
        channels, number, _, _ = gradient.shape
        with full_precision(gradient):
            if rows.start == 0:
                self._stretched = gradient.new_empty(channels, number, blocks.size[0], self.total.shape[3])
            narrow = gradient.flatten(0, 2) @ blocks.horizontal.T
            self._stretched[:, :, rows] = narrow.view(*gradient.shape[:3], -1)
            if rows.stop == blocks.size[0]:
                self.total[images] = (blocks.vertical @ self._stretched).transpose(0, 1)
