"""One step's view of an ordinary data set."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from mmengine.config import ConfigDict
from mmengine.runner import Runner
from mmseg.datasets import PascalVOCDataset
from mmseg.registry import DATASETS, TRANSFORMS

from mmciss.datasets import IncrementalDataset
from mmciss.datasets.samplers import DrawnIndex
from mmciss.errors import ConfigError
from mmciss.protocols import LabelPolicy, Protocol
from tests.datasets.voc_folder import PIPELINE, voc_config, write_voc

IMAGES = [[1], [16], [1, 16], [17], [16, 17], [2, 255], []]
PROTOCOL = dict(name='15-1', setting='overlapped')
SEEN: list[set[int]] = []


@TRANSFORMS.register_module(force=True)
class RecordLabels:
    """Writes down which labels it was shown."""

    def __call__(self, results: dict) -> dict:
        SEEN.append(set(np.unique(results['gt_seg_map']).tolist()))
        return results


def build(
    root: Path, step: int, images: list | None = None, wrapped: Any = None, protocol: Any = PROTOCOL, **kwargs: Any
) -> IncrementalDataset:
    if wrapped is None:
        wrapped = voc_config(write_voc(root, images or IMAGES))
    return DATASETS.build(
        dict(type='IncrementalDataset', dataset=wrapped, protocol=protocol, step_index=step, **kwargs)
    )


def labels_of(dataset: IncrementalDataset) -> list[set[int]]:
    return [set(dataset[i]['data_samples'].gt_sem_seg.data.unique().tolist()) for i in range(len(dataset))]


def test_images_and_labels_of_a_step(tmp_path: Path) -> None:
    base, first = build(tmp_path, 0), build(tmp_path, 1)
    assert base.indices.tolist() == [0, 2, 5] and first.indices.tolist() == [1, 2, 4]
    assert labels_of(base) == [{0, 1}, {0, 1}, {0, 2, 255}]
    assert labels_of(first) == [{0, 16}] * 3
    assert first.step.new == (16,) and first.step_index == 1 and first.first_id == 1


def test_settings(tmp_path: Path) -> None:
    disjoint = build(tmp_path, 1, protocol=dict(name='15-1', setting='disjoint'))
    assert disjoint.indices.tolist() == [1, 2]
    sequential = build(tmp_path, 1, protocol=dict(name='15-1', setting='sequential'))
    assert sequential.indices.tolist() == [1, 2]
    assert labels_of(sequential) == [{0, 16}, {0, 1, 16}]


def test_policies_and_splits(tmp_path: Path) -> None:
    assert labels_of(build(tmp_path, 0, policy='mib')) == [{0, 1}, {0, 1}, {0, 2}]
    for split in ('val', 'test'):
        test = build(tmp_path, 1, policy='mib', split=split)
        assert test.indices.tolist() == [0, 1, 2, 4, 5]
        assert labels_of(test) == [{0, 1}, {0, 16}, {0, 1, 16}, {0, 16, 255}, {0, 2, 255}]
    assert len(build(tmp_path, 1, policy='ssul', split='test')) == len(IMAGES)
    own = build(tmp_path, 0, policy=dict(preset='plop', future_train='ignore'))
    assert own.policy == LabelPolicy(future_train='ignore')
    assert labels_of(own)[1] == {0, 1, 255}


def test_class_order_permutes_channels(tmp_path: Path) -> None:
    order = [16, *range(1, 16), *range(17, 21)]
    dataset = build(tmp_path, 0, protocol=Protocol.from_name('15-1', 20, order=order))
    assert dataset.indices.tolist() == [0, 1, 2, 4, 5]
    assert labels_of(dataset) == [{0, 2}, {0, 1}, {0, 1, 2}, {0, 1}, {0, 3, 255}]


def test_metainfo_names_the_channels(tmp_path: Path) -> None:
    order = [20, *range(1, 20)]
    dataset = build(tmp_path, 1, [[15]], protocol=dict(name='15-1', order=order))
    meta, voc = dataset.metainfo, PascalVOCDataset.METAINFO
    numbers = [0, 20, *range(1, 16)]
    assert meta['classes'] == tuple(voc['classes'][n] for n in numbers)
    assert meta['palette'] == [voc['palette'][n] for n in numbers]
    assert meta['label_map'] is None and meta['reduce_zero_label'] is False


def test_pixel_counts_equal_counting(tmp_path: Path) -> None:
    for kwargs in (dict(policy='mib'), dict(policy='plop'), dict(split='test')):
        dataset = build(tmp_path, 1, **kwargs)
        counted = torch.cat(
            [dataset[i]['data_samples'].gt_sem_seg.data.flatten() for i in range(len(dataset))]
        ).bincount(minlength=256)
        assert dataset.pixel_counts().tolist() == counted[:17].tolist()
        assert dataset.presence.pixels.shape == (len(IMAGES), 21)


def test_image_counts_equal_counting(tmp_path: Path) -> None:
    for kwargs in (dict(policy='mib'), dict(policy='plop'), dict(split='test')):
        dataset = build(tmp_path, 1, **kwargs)
        shown = torch.zeros(256, dtype=torch.int64)
        for index in range(len(dataset)):
            shown[dataset[index]['data_samples'].gt_sem_seg.data.unique().long()] += 1
        assert dataset.image_counts().tolist() == shown[:17].tolist()


def test_concatenated(tmp_path: Path) -> None:
    parts = [
        voc_config(write_voc(tmp_path / 'a', [[16], [1]], prefix='a')),
        voc_config(write_voc(tmp_path / 'b', [[2], [3, 16], [16]], prefix='b')),
    ]
    dataset = build(tmp_path, 1, wrapped=dict(type='ConcatDataset', datasets=parts))
    assert dataset.indices.tolist() == [0, 3, 4]
    names = [Path(dataset.get_data_info(i)['img_path']).stem for i in range(3)]
    assert names == ['a0', 'b1', 'b2'] == [Path(dataset[i]['data_samples'].img_path).stem for i in range(3)]
    assert labels_of(dataset) == [{0, 16}] * 3


def test_built_data_set_is_left_alone(tmp_path: Path) -> None:
    plain = DATASETS.build(voc_config(write_voc(tmp_path, IMAGES)))
    for step in (0, 1):
        dataset = build(tmp_path, step, wrapped=plain)
        assert labels_of(dataset)[1] == {0, (1, 16)[step]}
    assert set(plain[2]['data_samples'].gt_sem_seg.data.unique().tolist()) == {0, 1, 16}


def test_no_background_class_and_reduce_zero_label(tmp_path: Path) -> None:
    # Ids of the challenge: 0 void, 1..150. Class n has channel n, void the background's.
    root = write_voc(tmp_path, [[1, 101], [101, 150], [3]])
    config = dict(voc_config(root), type='ADE20KDataset')
    config['pipeline'] = [PIPELINE[0], dict(type='LoadAnnotations', reduce_zero_label=True), PIPELINE[2]]
    base = build(root, 0, wrapped=config, protocol=dict(name='100-50'))
    assert base.first_id == 0 and base.indices.tolist() == [0, 2]
    assert labels_of(base) == [{0, 1}, {0, 3}]
    later = build(root, 1, wrapped=config, protocol=dict(name='100-50'))
    assert labels_of(later) == [{0, 101}, {0, 101, 150}]
    test = build(root, 0, wrapped=config, protocol=dict(name='100-50'), split='test', policy='mib')
    assert labels_of(test) == [{1, 255}, {3, 255}]
    meta = later.metainfo
    assert len(meta['classes']) == len(meta['palette']) == 151
    assert meta['classes'][:2] == ('background', 'wall') and meta['palette'][0] == [0, 0, 0]
    assert meta['palette'][1] == [120, 120, 120] and meta['reduce_zero_label'] is False
    assert base.pixel_counts()[[0, 1, 3]].sum() == 2 * 256


def test_custom_classes(tmp_path: Path) -> None:
    root = write_voc(tmp_path, [[8], [12], [8, 12], [15, 12]])
    config = voc_config(root, metainfo=dict(classes=('background', 'dog', 'cat')))
    base = build(root, 0, wrapped=config, protocol=dict(steps=[['dog'], ['cat']]))
    assert base.indices.tolist() == [1, 2, 3]
    assert labels_of(base) == [{0, 1}, {0, 1}, {0, 1, 255}]
    later = build(root, 1, wrapped=config, protocol=dict(steps=[['dog'], ['cat']]))
    assert labels_of(later) == [{0, 2}, {0, 2}]
    voc = PascalVOCDataset.METAINFO['palette']
    assert later.metainfo['palette'] == [voc[0], voc[12], voc[8]]


def test_domains(tmp_path: Path) -> None:
    for city, images in (('aachen', [[1]]), ('bremen', [[2], [255]])):
        write_voc(tmp_path, images, prefix=f'{city}_')
    names = ['aachen_0', 'bremen_0', 'bremen_1']
    (tmp_path / 'ImageSets/Segmentation/train.txt').write_text('\n'.join(names))
    config = dict(voc_config(tmp_path), type='CityscapesDataset', img_suffix='.jpg', seg_map_suffix='.png')
    protocol = dict(name='1-1', setting='domain', domains=['aachen', 'bremen'])
    dataset = build(tmp_path, 1, wrapped=config, protocol=protocol)
    assert dataset.indices.tolist() == [1, 2] and dataset.step.num_seen == 19
    assert labels_of(dataset) == [{0, 2}, {0, 255}]
    assert dataset.metainfo['classes'][0] == 'road' and len(dataset.metainfo['palette']) == 19


def test_crops_never_see_hidden_classes(tmp_path: Path) -> None:
    SEEN.clear()
    pipeline = [
        *PIPELINE[:2],
        dict(type='RecordLabels'),
        dict(type='RandomCrop', crop_size=(8, 8), cat_max_ratio=0.75),
        PIPELINE[2],
    ]
    config = voc_config(write_voc(tmp_path, IMAGES), pipeline=pipeline)
    labels_of(build(tmp_path, 1, wrapped=config))
    assert len(SEEN) == 3 and all(seen <= {0, 16} for seen in SEEN)


AUGMENTED = [
    *PIPELINE[:2],
    dict(type='SegRandomResizedCrop', crop_size=12),
    dict(type='RandomFlip', prob=0.5),
    dict(type='PhotoMetricDistortion'),
    PIPELINE[2],
]


def batches(root: Path, workers: int, skipped: int = 0) -> list[torch.Tensor]:
    """Returns images and labels of four batches as the runner would load them."""
    config = voc_config(root, pipeline=AUGMENTED)
    loader = Runner.build_dataloader(
        dict(
            batch_size=2,
            num_workers=workers,
            dataset=dict(type='IncrementalDataset', dataset=config, protocol=PROTOCOL, step_index=0),
            sampler=dict(type='IncrementalInfiniteSampler', batch_size=2),
            collate_fn=dict(type='pseudo_collate'),
        ),
        seed=5,
    )
    if skipped:
        loader.sampler.skip(skipped)
    np.random.seed(None)
    found = []
    for batch in itertools.islice(loader, 4):
        found += [image.float() for image in batch['inputs']]
        found += [sample.gt_sem_seg.data.float() for sample in batch['data_samples']]
    return found


def equal(one: list[torch.Tensor], other: list[torch.Tensor]) -> bool:
    return len(one) == len(other) and all(map(torch.equal, one, other))


def test_same_batches_with_any_workers_and_after_a_skip(tmp_path: Path) -> None:
    write_voc(tmp_path, [[n] for n in range(1, 8)], size=24)
    alone = batches(tmp_path, 0)
    assert equal(alone, batches(tmp_path, 2))
    assert equal(alone[8:], batches(tmp_path, 0, skipped=4)[:8])
    assert not equal(alone[:4], alone[4:8])


def test_random_numbers_follow_the_draw_not_the_image(tmp_path: Path) -> None:
    write_voc(tmp_path, [[1]], size=24)
    dataset = build(tmp_path, 0, wrapped=voc_config(tmp_path, pipeline=AUGMENTED), seed=1)

    def image(draw: int, seed: int = 9) -> torch.Tensor:
        return dataset[DrawnIndex(0, seed, draw)]['inputs']

    assert torch.equal(image(3), image(3)) and not torch.equal(image(3), image(4))
    assert torch.equal(image(3, seed=9), image(3, seed=8))  # The data set's own seed goes first.
    dataset.seed = None
    assert not torch.equal(image(3, seed=9), image(3, seed=8))
    np.random.seed(0)
    plain = dataset[0]['inputs']
    assert not torch.equal(plain, dataset[0]['inputs'])


def test_rejected_images_are_tried_again_not_replaced(tmp_path: Path) -> None:
    class Moody:
        calls = 0

        def __call__(self, results: dict) -> dict | None:
            self.calls += 1
            return results if self.calls % 3 == 0 else None

    config = voc_config(write_voc(tmp_path, IMAGES), pipeline=[*PIPELINE[:2], Moody(), PIPELINE[2]])
    dataset = build(tmp_path, 1, wrapped=config)
    assert [Path(dataset[i]['data_samples'].img_path).stem for i in range(3)] == ['im1', 'im2', 'im4']
    config['pipeline'] = [*PIPELINE[:2], lambda results: None]
    with pytest.raises(RuntimeError, match='im1.jpg: the pipeline rejected it'):
        build(tmp_path, 1, wrapped=config)[0]


def test_lazy(tmp_path: Path) -> None:
    dataset = build(tmp_path, 1, wrapped=voc_config(write_voc(tmp_path, IMAGES), lazy_init=True), lazy_init=True)
    assert dataset.metainfo['classes'][-1] == 'pottedplant'
    assert len(dataset) == 3 and labels_of(dataset) == [{0, 16}] * 3


def test_config_dict(tmp_path: Path) -> None:
    config = ConfigDict(dataset=voc_config(write_voc(tmp_path, IMAGES)), protocol=PROTOCOL)
    dataset = IncrementalDataset(**config, step_index=1)
    assert len(dataset) == 3


def test_no_test_image_is_a_warning_only(tmp_path: Path) -> None:
    assert len(build(tmp_path, 0, [[20]], split='test')) == 0


@pytest.mark.parametrize(
    'arguments, message',
    [
        (dict(step=9), 'step_index: 9; protocol .15-1. has steps 0 to 5'),
        (dict(step=-1), 'step_index: -1'),
        (dict(step=0, split='eval'), "split 'eval'. Allowed: test, train, val"),
        (dict(step=2, images=[[1], [16]]), 'step 2 .* has no images.*17 .sheep.'),
        (dict(step=0, policy='plob'), "preset 'plob'"),
        (dict(step=0, protocol=dict(name='15-6')), 'protocol.name.*15-5'),
        (dict(step=0, protocol=Protocol.from_name('2-1', 4)), 'has 4 classes.*has 20'),
        (dict(step=0, images=[[21]]), 'im0.png.*21'),
        (dict(step=0, wrapped=7), 'cannot wrap int'),
    ],
)
def test_one_clear_error(tmp_path: Path, arguments: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        build(tmp_path, **arguments)


def test_missing_folder_names_the_place(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match='PascalVOCDataset.data_root: not found.*none'):
        build(tmp_path, 0, wrapped=voc_config(tmp_path / 'none'))


def test_pipeline_without_annotations(tmp_path: Path) -> None:
    config = voc_config(write_voc(tmp_path, IMAGES), pipeline=[PIPELINE[0], PIPELINE[2]])
    for split in ('train', 'val'):
        with pytest.raises(ConfigError, match='has neither LoadAnnotations'):
            build(tmp_path, 0, wrapped=config, split=split)
    sample = build(tmp_path, 0, wrapped=config, split='test')[0]['data_samples']
    assert 'gt_sem_seg' not in sample and sample.reduce_zero_label is False


def test_classes_without_names_or_with_the_background_elsewhere(tmp_path: Path) -> None:
    config = dict(voc_config(write_voc(tmp_path, IMAGES)), type='BaseSegDataset', img_suffix='.jpg')
    with pytest.raises(ConfigError, match='metainfo.classes: not set'):
        build(tmp_path, 0, wrapped=config)
    config['metainfo'] = dict(classes=('a', 'background'))
    with pytest.raises(ConfigError, match="'background' must come first"):
        build(tmp_path, 0, wrapped=config)
