"""The embedded data set."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from mmseg.registry import DATASETS

from mmciss.datasets.shapes import ShapesDataset
from mmciss.errors import ConfigError

SMALL = dict(train=4, val=2, side=32)
PIPELINE = [dict(type='LoadImageFromFile'), dict(type='LoadAnnotations')]


def test_draws_itself_on_first_use(tmp_path: Path) -> None:
    config = dict(
        type='ShapesDataset',
        data_root=str(tmp_path / 'shapes'),
        drawing=SMALL,
        ann_file='ImageSets/Segmentation/val.txt',
        pipeline=PIPELINE,
    )
    dataset = DATASETS.build(config)
    assert len(dataset) == 2 and len(dataset.metainfo['classes']) == 21
    assert dataset.metainfo['classes'][0] == 'background' and dataset.metainfo['label_map'] is None
    sample = dataset[0]
    assert sample['img'].shape == (32, 32, 3) and sample['gt_seg_map'].shape == (32, 32)
    assert set(np.unique(sample['gt_seg_map'])) <= {*range(21), 255}
    del config['drawing']
    assert len(DATASETS.build(config)) == 2


def test_empty_folder_is_filled_and_a_full_one_is_not_touched(tmp_path: Path) -> None:
    (tmp_path / 'empty').mkdir()
    assert len(ShapesDataset(data_root=str(tmp_path / 'empty'), drawing=SMALL)) == 4
    (tmp_path / 'full').mkdir()
    (tmp_path / 'full/mine.txt').write_text('')
    with pytest.raises(ConfigError, match='not drawn by mmciss'):
        ShapesDataset(data_root=str(tmp_path / 'full'))


def test_pictures_of_another_version(tmp_path: Path) -> None:
    ShapesDataset(data_root=str(tmp_path / 'shapes'), drawing=SMALL)
    marker = tmp_path / 'shapes/shapes.json'
    marker.write_text(marker.read_text().replace('"version": 1', '"version": 0'))
    with pytest.raises(ConfigError, match='version 0 of the shapes'):
        ShapesDataset(data_root=str(tmp_path / 'shapes'))


def test_other_drawing_is_an_error(tmp_path: Path) -> None:
    ShapesDataset(data_root=str(tmp_path / 'shapes'), drawing=SMALL)
    with pytest.raises(ConfigError, match='asks for'):
        ShapesDataset(data_root=str(tmp_path / 'shapes'), drawing=dict(SMALL, seed=1))
