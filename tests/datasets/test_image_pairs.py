"""Masks whose size differs from their image's are found before training."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mmcv.transforms import LoadImageFromFile
from mmengine.dataset import BaseDataset, Compose
from mmseg.datasets.transforms import LoadAnnotations
from PIL import Image

from mmciss.datasets.image_pairs import ImagePair, check_sizes
from mmciss.errors import ConfigError
from tests.datasets.exif import save_turned


class Pairs(BaseDataset):
    """A data set of given files."""

    def __init__(self, *pairs: dict[str, Any]) -> None:
        self.pairs = pairs
        super().__init__(serialize_data=False, pipeline=[LoadImageFromFile(), LoadAnnotations()])

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


def test_an_image_without_a_mask_has_a_key_and_no_size_to_compare(tmp_path: Path) -> None:
    Image.new('RGB', (8, 6)).save(tmp_path / 'a.jpg')
    alone = ImagePair(str(tmp_path / 'a.jpg'), None)
    assert alone.check_size() is None and alone.problems() == []
    assert alone.key() is not None
    assert ImagePair(str(tmp_path / 'missing.jpg'), None).key() is None


def test_the_first_mask_of_another_size_is_named(tmp_path: Path) -> None:
    data = Pairs(pair(tmp_path, 'a', (8, 6), (8, 6)), pair(tmp_path, 'b', (8, 6), (6, 8)))
    with pytest.raises(ConfigError, match=r'b\.png: the mask has 6x8 pixels, its image .*b\.jpg has 8x6'):
        check_sizes(data)


def test_what_cannot_be_read_is_named(tmp_path: Path) -> None:
    broken, missing = pair(tmp_path, 'a', (8, 6), (8, 6)), pair(tmp_path, 'b', (8, 6), (8, 6))
    Path(broken['seg_map_path']).write_bytes(b'no picture')
    Path(missing['img_path']).unlink()
    with pytest.raises(ConfigError, match=r'a\.png: is not a readable image'):
        check_sizes(Pairs(broken))
    with pytest.raises(ConfigError, match=r'b\.jpg: does not exist'):
        check_sizes(Pairs(missing))


def test_formats_that_pillow_does_not_know_are_left_alone(tmp_path: Path) -> None:
    data = pair(tmp_path, 'a', (8, 6), (6, 8))
    raw = tmp_path / 'a.raw'
    raw.write_bytes(b'sensor data')
    check_sizes(Pairs(dict(data, img_path=str(raw))))


def turned_pair(folder: Path, orientation: int, mask: tuple[int, int]) -> dict[str, str]:
    """Writes a photograph that is 8x6 when upright, and a mask."""
    save_turned(folder / 'a.jpg', np.zeros((6, 8, 3), dtype=np.uint8), orientation)
    Image.new('P', mask).save(folder / 'a.png')
    return dict(img_path=str(folder / 'a.jpg'), seg_map_path=str(folder / 'a.png'))


@pytest.mark.parametrize('orientation', range(1, 9))
def test_masks_belong_to_the_upright_photograph(orientation: int, tmp_path: Path) -> None:
    check_sizes(Pairs(turned_pair(tmp_path, orientation, (8, 6))))
    if orientation > 4:
        with pytest.raises(ConfigError, match=rf'mask has 6x8 .* has 8x6 \(EXIF orientation {orientation}\)'):
            check_sizes(Pairs(turned_pair(tmp_path, orientation, (6, 8))))


@pytest.mark.parametrize(
    'loader',
    [
        dict(color_type='color_ignore_orientation'),
        dict(color_type='unchanged'),
        dict(color_type='color_ignore_orientation', imdecode_backend='pillow'),
    ],
)
def test_a_pipeline_that_ignores_the_orientation_wants_masks_as_stored(loader: dict[str, str], tmp_path: Path) -> None:
    for mask, fits in (((8, 6), False), ((6, 8), True)):
        data = Pairs(turned_pair(tmp_path, 6, mask))
        data.pipeline = Compose([LoadImageFromFile(**loader), LoadAnnotations()])
        if fits:
            check_sizes(data)
        else:
            with pytest.raises(ConfigError, match='EXIF orientation 6'):
                check_sizes(data)


def test_a_loader_of_the_users_own_decides_about_the_orientation(tmp_path: Path) -> None:

    class OwnLoader(LoadImageFromFile):
        def transform(self, results: dict) -> dict:
            return results

    for mask in ((8, 6), (6, 8)):
        data = Pairs(turned_pair(tmp_path, 6, mask))
        data.pipeline = Compose([OwnLoader(), LoadAnnotations()])
        check_sizes(data)


@pytest.mark.parametrize('orientation', range(2, 9))
def test_masks_that_would_be_read_otherwise_than_they_are_seen_are_refused(orientation: int, tmp_path: Path) -> None:
    data = turned_pair(tmp_path, orientation, (6, 8))
    save_turned(tmp_path / 'a.png', np.zeros((6, 8), dtype=np.uint8), orientation)  # turned as its photograph is
    with pytest.raises(ConfigError, match=rf'a\.png: has EXIF orientation {orientation}, which is ignored'):
        check_sizes(Pairs(data))
    data['seg_map_path'] = str(save_turned(tmp_path / 'a.tif', np.zeros((6, 8), dtype=np.uint8), orientation))
    check_sizes(Pairs(data))  # this format is turned when it is read
