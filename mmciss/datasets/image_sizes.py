"""Whether every mask has the size of its image, from the files' heads."""

from __future__ import annotations

from typing import Any

from mmengine.dataset import BaseDataset

from mmciss.datasets.image_files import IMAGES, MASKS, ImageSize, Reader, image_size
from mmciss.datasets.loaders import readers_of
from mmciss.datasets.wrapped import parts_of
from mmciss.errors import ConfigError

SHORTEST = 2
"""MMSegmentation's loader of masks drops a direction of one pixel."""


def check_sizes(dataset: Any) -> None:
    """Refuses masks of another size than their image, which would fail, or teach nonsense, during training.

    Sizes are those that the data set's pipeline gives. Only heads are read: about a second for ten thousand pairs.

    Args:
        dataset: A plain or concatenated data set whose files exist.

    Raises:
        ConfigError: Naming the first such file, or the first image that cannot be read.
    """
    for part in parts_of(dataset):
        readers = readers_of(part.pipeline)
        for image, mask in pairs_of(part):
            check_pair(image, mask, *readers)


def pairs_of(part: BaseDataset) -> list[tuple[str, str]]:
    """Returns the paths of image and mask of everything in a plain data set that has masks."""
    infos = [part.get_data_info(index) for index in range(len(part))]
    return [(info['img_path'], info['seg_map_path']) for info in infos if info.get('seg_map_path')]


def check_pair(image: str, mask: str, images: Reader | None = IMAGES, masks: Reader | None = MASKS) -> ImageSize | None:
    """Compares the sizes of an image and its mask.

    Args:
        image: Path of the image.
        mask: Path of the mask.
        images, masks: How they are going to be decoded; None if nobody knows.

    Returns:
        Their size; None where one of them is in a format that Pillow does not know.

    Raises:
        ConfigError: Naming the file that cannot be read, or both where they differ.
    """
    found = [_size(image, images or IMAGES), _size(mask, masks or MASKS)]
    if found[0] is None or found[1] is None:
        return None
    for path, size in zip((image, mask), found):
        if min(size.width, size.height) < SHORTEST:
            raise ConfigError(f'{path}: has {size} pixels; at least {SHORTEST} are needed in either direction')
    turned = any(size.orientation != 1 for size in found)
    if turned and (images is None or masks is None):
        return found[1]  # A loader of the user's own: what it makes of the orientation is not known.
    if not found[1].obeyed:
        raise ConfigError(
            f'{mask}: has EXIF orientation {found[1].orientation}, which is ignored when masks are read: '
            f'{found[1]} pixels. Store the mask as it is to be seen, without that tag'
        )
    if (found[0].width, found[0].height) != (found[1].width, found[1].height):
        text = f'{mask}: the mask has {found[1]} pixels{found[1].note}, its image {image} has {found[0]}{found[0].note}'
        if turned:
            text += (
                '. Images are turned upright by their EXIF orientation and masks are taken as stored: label the '
                'upright picture'
            )
        raise ConfigError(text)
    return found[0]


def _size(path: str, reader: Reader) -> ImageSize | None:
    try:
        return image_size(path, reader)
    except ValueError as error:
        raise ConfigError(f'{path}: {error}') from None
