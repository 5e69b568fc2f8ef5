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
    config = dict(type='ShapesDataset', data_root=str(tmp_path / 'shapes'), drawing=SMALL,
                  ann_file='ImageSets/Segmentation/val.txt', pipeline=PIPELINE)
    dataset = DATASETS.build(config)
    assert len(dataset) == 2 and len(dataset.metainfo['classes']) == 21
    assert dataset.metainfo['classes'][0] == 'background' and dataset.metainfo['label_map'] is None
    sample = dataset[0]
    assert sample['img'].shape == (32, 32, 3) and sample['gt_seg_map'].shape == (32, 32)
    assert set(np.unique(sample['gt_seg_map'])) <= {*range(21), 255}
    del config['drawing']
    assert len(DATASETS.build(config)) == 2


def test_other_drawing_is_an_error(tmp_path: Path) -> None:
    ShapesDataset(data_root=str(tmp_path / 'shapes'), drawing=SMALL)
    with pytest.raises(ConfigError, match='asks for'):
        ShapesDataset(data_root=str(tmp_path / 'shapes'), drawing=dict(SMALL, seed=1))
