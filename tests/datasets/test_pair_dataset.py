"""Pairs that a file lists."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from mmseg.registry import DATASETS
from PIL import Image

import mmciss.register_all
from mmciss.datasets.pair_dataset import PairDataset, write_manifest, write_plain_dataset
from mmciss.datasets.samplers import DrawnIndex, ReplaySampler
from mmciss.errors import ConfigError
from tests.extend.samples import labelled, write_images

PIPELINE = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations'),
    dict(type='RandomCrop', crop_size=(8, 8)),
    dict(type='PackSegInputs'),
]


@pytest.fixture
def dataset(tmp_path: Path) -> PairDataset:
    """Two sources of one image each, whose id 1 means different classes."""
    ids = np.random.RandomState(0).randint(0, 2, (32, 32)).astype(np.uint8)
    ids[:, 0] = 255
    Image.fromarray(ids).save(tmp_path / 'mask.png')
    Image.fromarray(np.repeat(ids[..., None], 3, -1)).save(tmp_path / 'image.png')
    pair = (str(tmp_path / 'image.png'), str(tmp_path / 'mask.png'))
    write_manifest(tmp_path / 'list.json', [([pair], {0: 0, 1: 3, 255: 255}), ([pair], {0: 1, 1: 0, 255: 255})])
    return PairDataset(str(tmp_path / 'list.json'), list('abcd'), [[i] * 3 for i in range(4)], pipeline=PIPELINE)


def test_each_source_has_its_own_ids(dataset: PairDataset) -> None:
    assert len(dataset) == 2 and dataset.metainfo['classes'] == ('a', 'b', 'c', 'd')
    for index, meaning in ((0, {0: 0, 1: 3}), (1, {0: 1, 1: 0})):
        sample = dataset[DrawnIndex(index, seed=0, draw=5)]
        label, image = sample['data_samples'].gt_sem_seg.data[0].numpy(), sample['inputs'][0].numpy()
        for raw, channel in meaning.items():
            assert (label[image == raw] == channel).all()


def test_augmentation_depends_on_the_draw_alone(dataset: PairDataset) -> None:
    first, again, other = (dataset[DrawnIndex(0, seed=1, draw=draw)]['inputs'] for draw in (3, 3, 4))
    assert first.equal(again) and not first.equal(other)


def test_stored_images_are_not_counted_but_drawn(dataset: PairDataset) -> None:
    options = dict(classes=list('abcd'), palette=dataset.metainfo['palette'], pipeline=PIPELINE)
    with_stored = PairDataset(dataset.manifest, num_exemplars=1, **options)
    assert (len(with_stored), with_stored.num_current, with_stored.num_exemplars) == (1, 1, 1)
    drawn = list(islice(iter(ReplaySampler(with_stored, seed=0, batch_size=2)), 8))
    for batch in range(4):
        assert sorted(drawn[2 * batch : 2 * batch + 2]) == [0, 1], 'one of each'
    labels = with_stored[drawn[drawn.index(1)]]['data_samples'].gt_sem_seg.data
    assert set(labels.unique().tolist()) <= {0, 1, 255}, 'the second source has no class 3'


def test_a_damaged_list_is_refused(tmp_path: Path) -> None:
    (tmp_path / 'list.json').write_text('{', encoding='utf-8')
    with pytest.raises(ConfigError, match='PairDataset.manifest: .*list.json is missing or damaged'):
        PairDataset(str(tmp_path / 'list.json'), ['a'], [[0, 0, 0]])


def test_a_plain_data_set_has_channels_as_ids(tmp_path: Path) -> None:
    images, masks = write_images(tmp_path, count=3)
    pairs = labelled(images, masks).pairs
    config = write_plain_dataset(tmp_path / 'test', pairs, {0: 0, 1: 3, 2: 4})
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
    assert write_plain_dataset(tmp_path / 'test', labelled(images, masks).pairs, {}) is None
