"""Masks of another size than their image are found before training."""
from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from mmengine.dataset import BaseDataset
from PIL import Image

from mmciss.datasets.image_sizes import check_sizes
from mmciss.errors import ConfigError


class Pairs(BaseDataset):
    """A data set of given files."""

    def __init__(self, *pairs: dict[str, Any]) -> None:
        self.pairs = pairs
        super().__init__(serialize_data=False)

    def load_data_list(self) -> list[dict[str, Any]]:
        """Returns the files."""
        return list(self.pairs)


def pair(folder: Path, name: str, image: tuple[int, int], mask: tuple[int, int]) -> dict[str, str]:
    """Writes an image and a mask of the given width and height."""
    paths = folder / f'{name}.jpg', folder / f'{name}.png'
    Image.new('RGB', image).save(paths[0])
    Image.new('P', mask).save(paths[1])
    return dict(img_path=str(paths[0]), seg_map_path=str(paths[1]))


def test_equal_sizes_pass(tmp_path: Path) -> None:
    check_sizes(Pairs(pair(tmp_path, 'a', (8, 6), (8, 6)), dict(img_path=str(tmp_path / 'unlabelled.jpg'))))


def test_the_first_mask_of_another_size_is_named(tmp_path: Path) -> None:
    data = Pairs(pair(tmp_path, 'a', (8, 6), (8, 6)), pair(tmp_path, 'b', (8, 6), (6, 8)))
    with pytest.raises(ConfigError, match=r'b\.png: the mask has 6x8 pixels, its image .*b\.jpg has 8x6'):
        check_sizes(data)


def test_what_cannot_be_read_is_named(tmp_path: Path) -> None:
    broken, missing = pair(tmp_path, 'a', (8, 6), (8, 6)), pair(tmp_path, 'b', (8, 6), (8, 6))
    Path(broken['seg_map_path']).write_bytes(b'no picture')
    Path(missing['img_path']).unlink()
    with pytest.raises(ConfigError, match=r'a\.png: is no readable image'):
        check_sizes(Pairs(broken))
    with pytest.raises(ConfigError, match=r'b\.jpg: cannot be read'):
        check_sizes(Pairs(missing))


def test_formats_that_pillow_does_not_know_are_left_alone(tmp_path: Path) -> None:
    data = pair(tmp_path, 'a', (8, 6), (6, 8))
    raw = tmp_path / 'a.raw'
    raw.write_bytes(b'sensor data')
    check_sizes(Pairs(dict(data, img_path=str(raw))))
