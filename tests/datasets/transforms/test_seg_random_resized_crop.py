"""The training crop of the papers."""

from __future__ import annotations

from unittest import mock

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mmseg.registry import TRANSFORMS

from mmciss.datasets.transforms.seg_random_resized_crop import SegRandomResizedCrop


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
def test_wrong_arguments(key: str, value: object) -> None:
    arguments = {'crop_size': 8, key: value}
    with pytest.raises(ValueError, match=f'SegRandomResizedCrop.{key}'):
        TRANSFORMS.build(dict(type='SegRandomResizedCrop', **arguments))
