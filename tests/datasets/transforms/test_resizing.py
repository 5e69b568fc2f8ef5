"""Resizing an image and its labels so that they stay on top of each other."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmciss.datasets.transforms.resizing import central_box, crop, resize_image, resize_labels

SIZES = st.tuples(st.integers(1, 40), st.integers(1, 40))


@given(SIZES, SIZES)
def test_labels_take_the_pixel_at_the_centre(size: tuple[int, int], new: tuple[int, int]) -> None:
    labels = np.arange(size[0] * size[1], dtype=np.int64).reshape(size) % 251
    found = resize_labels(labels.astype(np.uint8), new)
    assert found.shape == new
    # A centre that falls exactly between two pixels may take either.
    (rows, clear_rows), (columns, clear_columns) = (
        divmod((2 * np.arange(n) + 1) * s, 2 * n) for s, n in zip(size, new)
    )
    wanted = labels[rows[:, None], columns[None, :]]
    clear = (clear_rows > 0)[:, None] & (clear_columns > 0)[None, :]
    assert np.array_equal(found[clear], wanted[clear])


def test_image_and_labels_stay_aligned() -> None:
    labels = np.zeros((30, 30), dtype=np.uint8)
    labels[7:22, 4:19] = 1
    image = np.repeat(labels[..., None] * 255, 3, axis=2)
    for size in ((47, 47), (13, 17), (90, 61)):
        bright = resize_image(image, size)[..., 0] > 127
        assert (bright == resize_labels(labels, size).astype(bool)).mean() > 0.97


@pytest.mark.parametrize('dtype, channels', [(np.float32, 3), (np.uint8, 4), (np.uint8, 3)])
def test_constant_images_stay_constant(dtype: type, channels: int) -> None:
    image = np.full((9, 11, channels), 77, dtype=dtype)
    resized = resize_image(image, (5, 23))
    assert resized.shape == (5, 23, channels) and resized.dtype == dtype
    assert (resized == 77).all() and resized.flags.writeable


def test_shrinking_averages() -> None:
    image = np.zeros((8, 8, 3), dtype=np.uint8)
    image[::4, ::4] = 160
    assert resize_image(image, (2, 2)).min() > 0


@given(SIZES, SIZES)
def test_central_box_is_inside_and_central(size: tuple[int, int], wanted: tuple[int, int]) -> None:
    top, left, height, width = central_box(size, wanted)
    assert (height, width) == (min(size[0], wanted[0]), min(size[1], wanted[1]))
    assert 0 <= top <= size[0] - height and abs(2 * top + height - size[0]) <= 1
    assert 0 <= left <= size[1] - width and abs(2 * left + width - size[1]) <= 1
    assert crop(np.zeros(size), (top, left, height, width)).shape == (height, width)
