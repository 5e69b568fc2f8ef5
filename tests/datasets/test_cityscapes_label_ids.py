"""Cityscapes with a background."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from mmengine.config import Config
from mmseg.datasets import CityscapesDataset
from mmseg.registry import DATASETS
from PIL import Image

import mmciss.register_all
from mmciss.datasets import IncrementalDataset
from tests.datasets.voc_folder import PIPELINE
from tests.paths import ROOT

# What the data set's own scripts say: ids and names of the classes that are evaluated, in the order of their train ids.
EVALUATED = {
    7: 'road',
    8: 'sidewalk',
    11: 'building',
    12: 'wall',
    13: 'fence',
    17: 'pole',
    19: 'traffic light',
    20: 'traffic sign',
    21: 'vegetation',
    22: 'terrain',
    23: 'sky',
    24: 'person',
    25: 'rider',
    26: 'car',
    27: 'truck',
    28: 'bus',
    31: 'train',
    32: 'motorcycle',
    33: 'bicycle',
}


@pytest.fixture
def cityscapes(tmp_path: Path) -> Path:
    """Three images of a city: every id, unlabelled pixels with road and rider, a truck."""
    for name, ids in (('aachen_0', range(34)), ('aachen_1', (0, 7, 25)), ('aachen_2', (3, 27, 255))):
        mask = np.resize(np.array(ids, dtype=np.uint8), (8, 34))
        for folder, end, content in (
            ('leftImg8bit', '_leftImg8bit.png', np.dstack([mask] * 3)),
            ('gtFine', '_gtFine_labelIds.png', mask),
        ):
            path = tmp_path / folder / 'train/aachen'
            path.mkdir(parents=True, exist_ok=True)
            Image.fromarray(content).save(path / f'{name}{end}')
    return tmp_path


def config(root: Path) -> dict:
    return dict(
        type='CityscapesLabelIdsDataset',
        data_root=str(root),
        data_prefix=dict(img_path='leftImg8bit/train', seg_map_path='gtFine/train'),
        pipeline=PIPELINE,
    )


def step(root: Path, index: int, split: str = 'train') -> list[tuple[np.ndarray, np.ndarray]]:
    """Returns the ids in the file and the labels of every image of a step of AWT's 14-1."""
    dataset = DATASETS.build(
        dict(
            type='IncrementalDataset',
            dataset=config(root),
            protocol=dict(name='14-1', setting='overlapped'),
            step_index=index,
            policy='awt',
            split=split,
        )
    )
    assert isinstance(dataset, IncrementalDataset) and dataset.first_id == 1
    samples = [item['data_samples'] for item in dataset]
    return [
        (np.asarray(Image.open(sample.seg_map_path)), sample.gt_sem_seg.data.squeeze().numpy()) for sample in samples
    ]


def test_names_and_colours_are_mmsegmentation_s(cityscapes: Path) -> None:
    built = DATASETS.build(config(cityscapes))
    assert built.metainfo['classes'] == ('background', *CityscapesDataset.METAINFO['classes'])
    assert built.metainfo['palette'] == [[0, 0, 0], *CityscapesDataset.METAINFO['palette']]
    wanted = {0: 0, **{identity: number for number, identity in enumerate(EVALUATED, 1)}}
    assert built.label_map == {identity: wanted.get(identity, 255) for identity in range(34)}
    assert tuple(EVALUATED.values()) == CityscapesDataset.METAINFO['classes']


def test_some_of_the_classes(cityscapes: Path) -> None:
    built = DATASETS.build(config(cityscapes) | dict(metainfo=dict(classes=('background', 'rider', 'road'))))
    assert {identity for identity, number in built.label_map.items() if number == 255} == set(range(34)) - {0, 7, 25}
    assert (built.label_map[0], built.label_map[25], built.label_map[7]) == (0, 1, 2)
    assert built.metainfo['palette'] == [[0, 0, 0], [255, 0, 0], [128, 64, 128]]
    with pytest.raises(ValueError, match='tractor'):
        DATASETS.build(config(cityscapes) | dict(metainfo=dict(classes=('background', 'tractor'))))


def test_unlabelled_is_background_and_other_things_are_ignored(cityscapes: Path) -> None:
    """AWT's labels: 0 stays, the 19 classes follow, every other id is 255, and what a step does not learn is 0."""
    numbers = {identity: number for number, identity in enumerate(EVALUATED, 1)}
    for index, new in ((0, range(1, 15)), (1, [15]), (5, [19])):
        found = step(cityscapes, index)
        assert len(found) == (2 if index == 0 else 1 + (index == 1)), 'images that show a new class'
        for ids, labels in found:
            for identity in np.unique(ids):
                number = 0 if identity == 0 else numbers.get(identity)
                wanted = 255 if number is None else number if number in new else 0
                assert (labels[ids == identity] == wanted).all(), identity


def test_tests_see_old_classes(cityscapes: Path) -> None:
    (ids, labels), (_, second), _ = step(cityscapes, 1, 'test')
    assert labels[ids == 7].max() == 1 and labels[ids == 27].max() == 15 and (labels[ids == 3] == 255).all()
    assert (labels[ids == 33] == 0).all(), "later classes are background in AWT's tests"
    assert set(np.unique(second)) == {0, 1, 13}


@pytest.mark.parametrize('name', ['recipes/awt_cityscapes_14-1', 'ciss/deeplabv3_r101_cityscapes_10-1'])
def test_configs_read_it(name: str) -> None:
    cfg = Config.fromfile(ROOT / f'configs/{name}.py')
    for split in ('train', 'val', 'test'):
        assert cfg[f'{split}_dataloader'].dataset.type == 'CityscapesLabelIdsDataset'
