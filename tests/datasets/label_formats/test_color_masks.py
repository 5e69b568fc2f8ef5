"""Masks in which a colour means a class."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from mmciss.datasets.label_formats.find import find_export
from tests.datasets.label_formats.exports import check_refused, colors, convert, edit_text, truth


def test_a_colour_that_is_not_in_the_table(tmp_path: Path) -> None:
    folder = colors(tmp_path)
    mask = folder / 'SegmentationClass' / 'one.png'
    pixels = np.asarray(Image.open(mask)).copy()
    pixels[3, 5] = (1, 2, 3)
    Image.fromarray(pixels).save(mask)
    check_refused(folder, r'one.png: the colour 1,2,3 at x=5, y=3 is not in .*250,50,83 \(box\)', tmp_path)


def test_a_table_as_csv_and_pixels_to_ignore(tmp_path: Path) -> None:
    folder = colors(tmp_path)
    (folder / 'labelmap.txt').unlink()
    table = 'name, r, g, b\nbackground, 0, 0, 0\nVoid, 250, 50, 83\nfork, 0, 96, 55\n'
    (folder / 'class_dict.csv').write_text(table)
    np.testing.assert_array_equal(convert(folder, tmp_path)[1], truth(255, 1))


def test_a_damaged_table_is_named(tmp_path: Path) -> None:
    folder = colors(tmp_path)
    edit_text(folder / 'labelmap.txt', '250,50,83', '250,50')
    check_refused(folder, "labelmap.txt: 'box:250,50::'; needed are a name and three numbers", tmp_path)


def test_numbers_of_colours_in_a_palette_mean_nothing(tmp_path: Path) -> None:
    """Tools that make PNG files smaller number the colours as they come."""
    folder = colors(tmp_path)
    for path in (folder / 'SegmentationClass').glob('*.png'):
        small = Image.open(path).convert('RGB').quantize(8)
        assert small.mode == 'P'
        small.save(path)
    np.testing.assert_array_equal(convert(folder, tmp_path)[1], truth())


def test_masks_of_ids_beside_a_table_are_masks_of_ids(tmp_path: Path) -> None:
    folder = colors(tmp_path)
    for path in (folder / 'SegmentationClass').glob('*.png'):
        ids = Image.fromarray(np.full((4, 4), 1, np.uint8), mode='P')
        ids.putpalette([7, 7, 7, 9, 9, 9])
        ids.save(path)
    assert find_export(folder) is None
