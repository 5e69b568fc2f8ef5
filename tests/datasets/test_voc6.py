"""The data set voc6."""

from __future__ import annotations

import numpy as np
from mmseg.registry import DATASETS

from mmciss.datasets.voc6 import Voc6Dataset
from tests.paths import shared_data


def test_reads_the_photographs() -> None:
    config = dict(
        type='Voc6Dataset',
        data_root=str(shared_data() / 'voc6/VOCdevkit/VOC2012'),
        pipeline=[dict(type='LoadImageFromFile'), dict(type='LoadAnnotations')],
    )
    train = DATASETS.build(config)
    val = DATASETS.build(dict(config, ann_file='ImageSets/Segmentation/val.txt'))
    assert (len(train), len(val)) == (1004, 445)
    sample = val[3]
    assert sample['img'].shape[:2] == sample['gt_seg_map'].shape
    assert min(sample['img'].shape[:2]) == 256
    assert set(np.unique(sample['gt_seg_map'])) <= {*range(7), 255}


def test_palette_is_that_of_voc() -> None:
    from mmseg.datasets import PascalVOCDataset

    voc = dict(zip(PascalVOCDataset.METAINFO['classes'], PascalVOCDataset.METAINFO['palette'], strict=True))
    ours = zip(Voc6Dataset.METAINFO['classes'], Voc6Dataset.METAINFO['palette'], strict=True)
    assert all(voc[name] == colour for name, colour in ours)
