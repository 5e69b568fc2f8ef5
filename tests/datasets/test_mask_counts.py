"""Counting the pixels of each label in every image of a data set."""

from __future__ import annotations

import os
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
from mmengine.dataset import ConcatDataset
from mmseg.registry import DATASETS
from PIL import Image

from mmciss.datasets import mask_counts
from mmciss.datasets.mask_counts import count_masks
from mmciss.errors import ConfigError
from mmciss.protocols import scan
from tests.datasets.voc_folder import voc_config, write_voc


def test_counts_of_two_parts(tmp_path: Path) -> None:
    # Masks are 16x16 in vertical stripes of equal width: [0], [0, 1], [0, 20, 255, 1].
    a = DATASETS.build(voc_config(write_voc(tmp_path / 'a', [[], [1]])))
    b = DATASETS.build(voc_config(write_voc(tmp_path / 'b', [[20, 255, 1]])))
    counts = count_masks(ConcatDataset([a, b]), 20, 1)
    presence = counts.presence(20, 1)
    wanted = np.zeros((3, 21), dtype=int)
    wanted[0, 0], wanted[1, [0, 1]], wanted[2, [0, 1, 20]] = 256, 128, 64
    assert np.array_equal(presence.pixels, wanted)
    assert counts.pixels_by_id(np.array([1, 2]))[[0, 1, 2, 20, 255]].tolist() == [192, 192, 0, 64, 64]
    assert [Path(p).name for p in counts.paths] == ['im0.jpg', 'im1.jpg', 'im0.jpg']


def test_raw_masks_go_through_reduce_zero_label_and_label_map(tmp_path: Path) -> None:
    root = write_voc(tmp_path, [[1, 2, 150], [3, 255]])
    config = dict(voc_config(root), type='ADE20KDataset', reduce_zero_label=True)
    presence = count_masks(DATASETS.build(config), 150, 0).presence(150, 0)
    assert np.flatnonzero(presence.matrix[0]).tolist() == [0, 1, 2, 150]
    # 0 and 255 are both void: column 0.
    assert presence.pixels[1, [0, 3]].sum() == 256 and presence.matrix[1].sum() == 2
    config['metainfo'] = dict(classes=('sky', 'wall'))  # Numbers 3 and 1 in the challenge.
    presence = count_masks(DATASETS.build(config), 2, 0).presence(2, 0)
    assert presence.matrix.tolist() == [[True, False, True], [True, True, False]]


def test_read_once(tmp_path: Path) -> None:
    dataset = DATASETS.build(voc_config(write_voc(tmp_path, [[1], [2]])))
    first = count_masks(dataset, 20, 1)
    with mock.patch.object(scan, 'scan_masks', side_effect=AssertionError):
        again = count_masks(dataset, 20, 1)
    assert np.array_equal(first.pixels, again.pixels)


def test_cache_folder(tmp_path: Path) -> None:
    dataset = DATASETS.build(voc_config(write_voc(tmp_path / 'voc', [[1]])))
    count_masks(dataset, 20, 1, cache_dir=str(tmp_path / 'cache'))
    assert os.listdir(tmp_path / 'cache')
    assert not [f for f in os.listdir(tmp_path / 'voc/SegmentationClass') if f.startswith('.')]


def test_id_outside_the_classes_names_the_file(tmp_path: Path) -> None:
    dataset = DATASETS.build(voc_config(write_voc(tmp_path, [[1], [20], [3, 21, 99], [77]])))
    with pytest.raises(ConfigError, match=r'SegmentationClass/im2.png.* 21, 99 .*0 to 20 and 255'):
        count_masks(dataset, 20, 1)


def test_hidden_classes_of_a_label_map_are_no_error(tmp_path: Path) -> None:
    config = voc_config(write_voc(tmp_path, [[1], [20]]), metainfo=dict(classes=('background', 'tvmonitor')))
    presence = count_masks(DATASETS.build(config), 1, 1).presence(1, 1)
    assert presence.matrix.tolist() == [[True, False], [True, True]]


@pytest.mark.parametrize('folder, suffix', [('SegmentationClass', 'png'), ('JPEGImages', 'jpg')])
def test_missing_files(tmp_path: Path, folder: str, suffix: str) -> None:
    dataset = DATASETS.build(voc_config(write_voc(tmp_path, [[1], [2]])))
    (tmp_path / folder / f'im1.{suffix}').unlink()
    with pytest.raises(ConfigError, match=f'1 of 2 .*im1.{suffix}'):
        count_masks(dataset, 20, 1)


@pytest.mark.parametrize('content', [b'no picture', None])
def test_unreadable_masks(tmp_path: Path, content: bytes | None) -> None:
    dataset = DATASETS.build(voc_config(write_voc(tmp_path, [[1], [2]])))
    if content is None:
        Image.new('RGB', (16, 16)).save(tmp_path / 'SegmentationClass/im1.png')
    else:
        (tmp_path / 'SegmentationClass/im1.png').write_bytes(content)
    with pytest.raises(ConfigError, match='im1.png'):
        count_masks(dataset, 20, 1)


def test_empty_list_and_no_masks(tmp_path: Path) -> None:
    root = write_voc(tmp_path, [[1]])
    config = voc_config(root)
    config['data_prefix'] = dict(img_path='JPEGImages')
    dataset = DATASETS.build(config)
    with pytest.raises(ConfigError, match='seg_map_path: not set'):
        count_masks(dataset, 20, 1)
    dataset = DATASETS.build(voc_config(root)).get_subset(0)
    with pytest.raises(ConfigError, match='train.txt: lists no images'):
        count_masks(dataset, 20, 1)


def test_entry_leading_out(tmp_path: Path) -> None:
    root = write_voc(tmp_path, [[1]])
    (root / 'ImageSets/Segmentation/train.txt').write_text('../JPEGImages/im0\n../../x\n')
    with pytest.raises(ConfigError, match='outside the data set'):
        mask_counts.count_masks(DATASETS.build(voc_config(root)), 20, 1)


@pytest.mark.parametrize('line', ['im0', './im0', 'im1/../im0', './/im0', 'im0 '])
def test_an_image_listed_twice_is_refused_in_any_spelling(line: str, tmp_path: Path) -> None:
    root = write_voc(tmp_path, [[1], [2]])
    config = voc_config(root)
    with open(root / config['ann_file'], 'a', encoding='utf-8') as file:
        file.write(f'{line}\n')
    with pytest.raises(ConfigError, match=r'\.txt: lists .*im0.jpg twice'):
        count_masks(DATASETS.build(config), 20, 1)
