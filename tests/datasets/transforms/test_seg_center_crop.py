"""The evaluation crop of the papers."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mmseg.registry import TRANSFORMS

from mmciss.datasets.transforms.seg_center_crop import SegCenterCrop


@given(st.integers(1, 70), st.integers(1, 70), st.integers(1, 50))
def test_always_the_square(height: int, width: int, side: int) -> None:
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


def test_takes_the_middle() -> None:
    labels = np.repeat(np.arange(16, dtype=np.uint8)[None], 8, axis=0)
    results = SegCenterCrop(8)(
        dict(img=np.repeat(labels[..., None], 3, axis=2), gt_seg_map=labels, seg_fields=['gt_seg_map'])
    )
    assert results['gt_seg_map'][0].tolist() == list(range(4, 12))
    assert results['img'][0, :, 0].tolist() == list(range(4, 12))


def test_image_without_labels() -> None:
    results = SegCenterCrop(4)(dict(img=np.zeros((8, 9, 3), np.uint8)))
    assert results['img'].shape == (4, 4, 3) and 'gt_seg_map' not in results


def test_wrong_size() -> None:
    with pytest.raises(ValueError, match='SegCenterCrop.crop_size.*0'):
        TRANSFORMS.build(dict(type='SegCenterCrop', crop_size=0))
