"""The papers' crops, and resizing that keeps images and labels aligned."""

from __future__ import annotations

from unittest import mock

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mmseg.registry import TRANSFORMS

from mmciss.datasets.transforms.crops import (
    SegCenterCrop,
    SegRandomResizedCrop,
    central_box,
    crop,
    resize_image,
    resize_labels,
)

SIZES = st.tuples(st.integers(1, 40), st.integers(1, 40))


def sample(height: int, width: int) -> dict:
    labels = np.arange(height * width, dtype=np.int64).reshape(height, width) % 21
    image = np.repeat((labels * 12)[..., None], 3, axis=2).astype(np.uint8)
    return dict(img=image, gt_seg_map=labels.astype(np.uint8), seg_fields=['gt_seg_map'], img_shape=(height, width))


@given(st.integers(4, 80), st.integers(4, 80), st.integers(0, 2**31))
def test_box_obeys_scale_and_ratio_or_is_the_fallback(height: int, width: int, seed: int) -> None:
    transform = SegRandomResizedCrop(16)
    np.random.seed(seed)
    top, left, h, w = transform.random_box(height, width)
    assert 0 <= top <= height - h and 0 <= left <= width - w and h > 0 and w > 0
    slack = 1 / min(h, w)  # The sides are rounded to whole pixels.
    assert 3 / 4 * (1 - slack) <= w / h <= 4 / 3 * (1 + slack)
    fallback = (top, left, h, w) == transform._fallback_box(height, width)
    assert fallback or h * w >= 0.5 * height * width * (1 - slack) ** 2


def test_fallback_is_the_central_crop() -> None:
    transform = SegRandomResizedCrop(8, scale=(1.5, 2.0))
    assert transform.random_box(30, 40) == (0, 0, 30, 40)
    assert transform.random_box(30, 60) == (0, 10, 30, 40)
    assert transform.random_box(60, 30) == (10, 0, 40, 30)
    assert transform.random_box(30, 31) == (0, 0, 30, 31)


def test_ten_tries() -> None:
    transform = SegRandomResizedCrop(8)
    with mock.patch('numpy.random.uniform', side_effect=[2.0, 0.0] * 9 + [0.5, 0.0]):
        assert transform.random_box(20, 20)[2:] == (14, 14)
    with mock.patch('numpy.random.uniform', side_effect=[2.0, 0.0] * 10):
        assert transform.random_box(20, 20) == (0, 0, 20, 20)


@given(st.integers(4, 60), st.integers(4, 60), st.integers(0, 2**31))
def test_no_new_labels_and_no_padding(height: int, width: int, seed: int) -> None:
    np.random.seed(seed)
    results = SegRandomResizedCrop((12, 20))(sample(height, width))
    assert results['img'].shape == (12, 20, 3) and results['gt_seg_map'].shape == (12, 20)
    assert results['img_shape'] == (12, 20) and results['gt_seg_map'].max() <= 20


def test_image_and_labels_get_the_same_box() -> None:
    results = sample(40, 40)
    results['gt_seg_map'][:20] = 1
    results['gt_seg_map'][20:] = 2
    results['img'] = np.repeat((results['gt_seg_map'] * 100)[..., None], 3, axis=2)
    for seed in range(10):
        np.random.seed(seed)
        out = SegRandomResizedCrop(24)(dict(results))
        assert ((out['img'][..., 0] > 150) == (out['gt_seg_map'] == 2)).mean() > 0.95


def test_mean_area_is_that_of_the_papers() -> None:
    # Areas above 1 are rejected: accepted ones are far below the middle of (0.5, 2.0).
    np.random.seed(0)
    transform = SegRandomResizedCrop(8)
    boxes = [transform.random_box(100, 100) for _ in range(500)]
    areas = np.array([h * w / 1e4 for _, _, h, w in boxes])
    assert 0.65 < areas.mean() < 0.8 and areas.max() <= 1


@pytest.mark.parametrize('key, value', [('scale', (2.0, 0.5)), ('ratio', (0.0, 1.0)), ('crop_size', 0)])
def test_wrong_arguments_of_the_random_crop(key: str, value: object) -> None:
    arguments = {'crop_size': 8, key: value}
    with pytest.raises(ValueError, match=f'SegRandomResizedCrop.{key}'):
        TRANSFORMS.build(dict(type='SegRandomResizedCrop', **arguments))


@given(st.integers(1, 70), st.integers(1, 70), st.integers(1, 50))
def test_the_central_crop_is_always_square(height: int, width: int, side: int) -> None:
    results = SegCenterCrop(side)(
        dict(
            img=np.zeros((height, width, 3), np.uint8),
            gt_seg_map=np.ones((height, width), np.uint8),
            seg_fields=['gt_seg_map'],
            ori_shape=(height, width),
        )
    )
    assert results['img'].shape == (side, side, 3)
    assert results['gt_seg_map'].shape == (side, side) and (results['gt_seg_map'] == 1).all()
    assert results['ori_shape'] == results['img_shape'] == (side, side)


def test_the_central_crop_takes_the_middle() -> None:
    labels = np.repeat(np.arange(16, dtype=np.uint8)[None], 8, axis=0)
    results = SegCenterCrop(8)(
        dict(img=np.repeat(labels[..., None], 3, axis=2), gt_seg_map=labels, seg_fields=['gt_seg_map'])
    )
    assert results['gt_seg_map'][0].tolist() == list(range(4, 12))
    assert results['img'][0, :, 0].tolist() == list(range(4, 12))


def test_the_central_crop_of_an_image_without_labels() -> None:
    results = SegCenterCrop(4)(dict(img=np.zeros((8, 9, 3), np.uint8)))
    assert results['img'].shape == (4, 4, 3) and 'gt_seg_map' not in results


def test_a_wrong_size_of_the_central_crop() -> None:
    with pytest.raises(ValueError, match='SegCenterCrop.crop_size.*0'):
        TRANSFORMS.build(dict(type='SegCenterCrop', crop_size=0))


@given(SIZES, SIZES)
def test_labels_take_the_pixel_at_the_centre(size: tuple[int, int], new: tuple[int, int]) -> None:
    labels = np.arange(size[0] * size[1], dtype=np.int64).reshape(size) % 251
    found = resize_labels(labels.astype(np.uint8), new)
    assert found.shape == new
    # A centre that falls exactly between two pixels may take either.
    (rows, clear_rows), (columns, clear_columns) = (
        divmod((2 * np.arange(n) + 1) * s, 2 * n) for s, n in zip(size, new, strict=True)
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
