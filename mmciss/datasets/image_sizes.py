"""Whether every mask has the size of its image, from the files' headers."""
from __future__ import annotations

from typing import Any

from PIL import Image

from mmciss.datasets.wrapped import parts_of
from mmciss.errors import ConfigError


def check_sizes(dataset: Any) -> None:
    """Refuses masks of another size than their image, which would fail, or teach nonsense, during training.

    Only headers are read: about a second for ten thousand pairs.

    Args:
        dataset: A plain or concatenated data set whose files exist.

    Raises:
        ConfigError: Naming the first such file, or the first image that cannot be read.
    """
    for part in parts_of(dataset):
        for index in range(len(part)):
            info = part.get_data_info(index)
            if 'seg_map_path' not in info:
                continue
            image, mask = _size(info['img_path']), _size(info['seg_map_path'])
            if image is not None and mask is not None and image != mask:
                raise ConfigError(f'{info["seg_map_path"]}: the mask has {mask[0]}x{mask[1]} pixels, its image '
                                  f'{info["img_path"]} has {image[0]}x{image[1]}')


def _size(path: str) -> tuple[int, int] | None:
    """Returns width and height; None for formats that Pillow does not know."""
    try:
        with Image.open(path) as file:
            return file.size
    except Image.UnidentifiedImageError:
        if path.rpartition('.')[2].lower() in ('png', 'jpg', 'jpeg'):
            raise ConfigError(f'{path}: is no readable image') from None
        return None
    except OSError as error:
        raise ConfigError(f'{path}: cannot be read ({error})') from None
