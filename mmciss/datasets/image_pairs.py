"""An image and its mask: whether both can be read, and have the same size."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import cv2
from mmengine.dataset import BaseDataset
from PIL import __version__ as pillow_version

from mmciss.datasets.image_files import IMAGES, MASKS, ImageSize, Reader, check_whole, image_size, readers_of
from mmciss.datasets.wrapped import parts_of
from mmciss.errors import ConfigError
from mmciss.protocols.scan import count_ids

SHORTEST = 2
"""MMSegmentation's mask loader drops a dimension of one pixel."""

_VERSION = 'mmciss-data-check-1'


class BrokenSampleError(ConfigError):
    """An image or mask that a step needs cannot be used; the message names the file."""

    def __str__(self) -> str:
        # An error in a data loader's worker arrives as the text of its traceback, which ends with the message.
        return super().__str__().strip().rpartition(f'{type(self).__name__}: ')[2]


@dataclass(frozen=True)
class ImagePair:
    """An image, its mask, and how they are decoded.

    Attributes:
        image: Path of the image.
        mask: Path of the mask, if there is one.
        image_reader: How the image is decoded; None if by a loader of the user's own.
        mask_reader: Likewise for the mask.
    """

    image: str
    mask: str | None
    image_reader: Reader | None = IMAGES
    mask_reader: Reader | None = MASKS

    def check_size(self) -> ImageSize | None:
        """Compares the sizes of image and mask, reading only the files' headers.

        Returns:
            Their size; None if there is no mask, or either is in a format that Pillow does not know.

        Raises:
            ConfigError: Naming the file that cannot be read, or both files if their sizes differ.
        """
        if self.mask is None:
            return None
        image, mask = _size(self.image, self.image_reader or IMAGES), _size(self.mask, self.mask_reader or MASKS)
        if image is None or mask is None:
            return None
        for path, size in ((self.image, image), (self.mask, mask)):
            if min(size.width, size.height) < SHORTEST:
                raise ConfigError(f'{path}: has {size} pixels; both sides need at least {SHORTEST}')
        turned = image.orientation != 1 or mask.orientation != 1
        if turned and (self.image_reader is None or self.mask_reader is None):
            return mask  # what a loader of the user's own makes of the orientation is not known
        if not mask.obeyed:
            raise ConfigError(
                f'{self.mask}: has EXIF orientation {mask.orientation}, which is ignored when masks are read: '
                f'{mask} pixels. Store the mask upright, without that tag'
            )
        if (image.width, image.height) != (mask.width, mask.height):
            hint = (
                '. Images are turned upright by their EXIF orientation, masks are read as stored: label the '
                'upright picture'
            )
            raise ConfigError(
                f'{self.mask}: the mask has {mask} pixels{mask.note}, its image {self.image} has {image}{image.note}'
                f'{hint if turned else ""}'
            )
        return image

    def problems(self) -> list[str]:
        """Decodes both files and returns what is wrong with them, one sentence per file."""
        found = []
        for path, reader, is_mask in ((self.image, self.image_reader, False), (self.mask, self.mask_reader, True)):
            if path is None:
                continue
            try:
                _decode(path, reader, is_mask)
            except ValueError as error:
                found.append(f'{path}: {error}')
        if not found and self.mask is not None:
            try:
                self.check_size()
            except ConfigError as error:
                found.append(str(error))
        return found

    def key(self) -> str | None:
        """Returns a checksum of names, sizes, times and decoders, or None if a file is missing."""
        files = [path for path in (self.image, self.mask) if path is not None]
        try:
            stats = [os.stat(path) for path in files]
        except OSError:
            return None
        facts: list[Any] = [_VERSION, cv2.__version__, pillow_version, self.image_reader, self.mask_reader]
        facts += [
            (os.path.realpath(path), stat.st_size, stat.st_mtime_ns) for path, stat in zip(files, stats, strict=True)
        ]
        return hashlib.sha256(repr(facts).encode('utf-8', 'surrogateescape')).hexdigest()[:32]


def pairs_of(dataset: Any) -> Iterator[ImagePair]:
    """Yields every image of a plain or concatenated data set that has a mask, with the readers of its pipeline."""
    for part in parts_of(dataset):
        readers = readers_of(part.pipeline)
        for index in range(len(part)):
            info = part.get_data_info(index)
            if info.get('seg_map_path'):
                yield ImagePair(info['img_path'], info['seg_map_path'], *readers)


def check_sizes(dataset: Any) -> None:
    """Refuses masks whose size differs from their image's, which would fail, or teach nonsense, during training.

    Sizes are those that the data set's pipeline sees. Only headers are read: about a second for ten thousand pairs.

    Args:
        dataset: A plain or concatenated data set whose files exist.

    Raises:
        ConfigError: Naming the first such mask, or the first file that cannot be read.
    """
    for pair in pairs_of(dataset):
        pair.check_size()


@contextmanager
def naming_broken_files(part: BaseDataset, position: int) -> Iterator[None]:
    """Checks the files of a sample if its pipeline fails, and names the broken ones.

    Other errors, such as mistakes in a user's own transform, pass unchanged.

    Args:
        part: The plain data set whose pipeline runs inside.
        position: The sample.

    Raises:
        BrokenSampleError: Naming the file, what is wrong with it, and how to continue.
    """
    try:
        yield
    except (ConfigError, MemoryError):
        raise
    except Exception as error:
        info = part.get_data_info(position)
        pair = ImagePair(info.get('img_path'), info.get('seg_map_path'), *readers_of(part.pipeline))
        problems = pair.problems() if pair.image else []
        if not problems:
            raise
        raise BrokenSampleError(
            f'{"; ".join(problems)}. Fix this, then run the same command with --resume to continue; '
            f'with --check-data it first lists all such files'
        ) from error


def _size(path: str, reader: Reader) -> ImageSize | None:
    try:
        return image_size(path, reader)
    except ValueError as error:
        raise ConfigError(f'{path}: {error}') from None


def _decode(path: str, reader: Reader | None, is_mask: bool) -> None:
    """Decodes a file strictly, as training will; the header first, which tells if the file is too large to decode."""
    image_size(path, reader or IMAGES)
    if is_mask:
        count_ids(path)
    if reader is not None:
        pixels = reader.decode(path)
        if is_mask and pixels.squeeze().ndim > 2:
            raise ValueError(
                f'is decoded to {pixels.shape[2]} channels by imdecode_backend={reader.backend!r}; a mask '
                f"has one (the backend 'pillow' reads palettes as ids)"
            )
    check_whole(path)
