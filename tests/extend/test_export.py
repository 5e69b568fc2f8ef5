"""A test set that plain MMSegmentation reads."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from mmseg.registry import DATASETS
from PIL import Image

import mmciss.register_all
from mmciss.extend.export import write_test_set
from tests.extend.samples import labelled, write_images


def test_masks_get_the_ids_of_the_extended_model(tmp_path: Path) -> None:
    images, masks = write_images(tmp_path, count=3)
    pairs = labelled(images, masks).pairs
    config = write_test_set(tmp_path / 'test', pairs, {0: 0, 1: 3, 2: 4})
    dataset = DATASETS.build(dict(**config, metainfo=dict(classes=tuple('abcde')), pipeline=[]))
    assert len(dataset) == 3
    info = dataset.get_data_info(0)
    assert Path(info['img_path']).resolve() == Path(pairs[0].image).resolve()
    raw, ids = np.array(Image.open(pairs[0].mask)), np.array(Image.open(info['seg_map_path']))
    assert np.array_equal(ids, np.array([0, 3, 4], np.uint8)[raw])


def test_mixed_kinds_of_images_have_no_common_suffix(tmp_path: Path) -> None:
    images, masks = write_images(tmp_path, count=2)
    pairs = labelled(images, masks).pairs
    Path(pairs[1].image).rename(images / '01.jpg')
    assert write_test_set(tmp_path / 'test', labelled(images, masks).pairs, {}) is None
