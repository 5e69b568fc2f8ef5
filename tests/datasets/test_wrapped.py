"""Working with a wrapped MMSegmentation data set."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
from mmengine.dataset import ConcatDataset
from mmseg.registry import DATASETS

from mmciss.datasets.transforms.map_labels import MapLabels
from mmciss.datasets.wrapped import check_inside, copy_parts, parts_of, with_label_map
from mmciss.errors import ConfigError
from tests.datasets.voc_folder import voc_config, write_voc

LOAD = [dict(type='LoadImageFromFile'), dict(type='LoadAnnotations')]
MAPPER = MapLabels(np.full(256, 7))


def build(root: Path, pipeline: list | None = None) -> object:
    if not root.exists():
        write_voc(root, [[1], [2, 3]])
    return DATASETS.build(voc_config(root, pipeline=pipeline))


def test_parts_in_order(tmp_path: Path) -> None:
    a, b, c = (build(tmp_path / name) for name in 'abc')
    assert parts_of(a) == [a]
    nested = ConcatDataset([a])
    nested.datasets = [ConcatDataset([a, b]), c]
    assert parts_of(nested) == [a, b, c]
    with pytest.raises(ConfigError, match='cannot wrap list'):
        parts_of([a])


def test_copies_leave_the_original_alone(tmp_path: Path) -> None:
    parts = [build(tmp_path / name) for name in 'ab']
    whole = ConcatDataset(parts)
    twin = copy_parts(whole, {id(p): with_label_map(p, MAPPER, True) for p in parts})
    assert (twin[2]['data_samples'].gt_sem_seg.data == 7).all()
    assert not (whole[2]['data_samples'].gt_sem_seg.data == 7).any()
    assert len(twin) == len(whole) and whole.datasets == parts


@pytest.mark.parametrize(
    'pipeline',
    [
        LOAD,
        [LOAD[0], dict(type='Resize', scale=(8, 8)), LOAD[1]],
        [LOAD[0], dict(type='RandomApply', prob=1.0, transforms=[LOAD[1]])],
        [LOAD[0], dict(type='RandomChoice', transforms=[[LOAD[1]], [LOAD[1]]])],
    ],
)
def test_inserted_after_the_loader_however_nested(tmp_path: Path, pipeline: list) -> None:
    twin = with_label_map(build(tmp_path / 'a', pipeline), MAPPER, True)
    assert (twin[1]['gt_seg_map'] == 7).all() and twin[1]['label_map'] is None


def test_test_time_augmentation(tmp_path: Path) -> None:
    pipeline = [
        LOAD[0],
        dict(
            type='TestTimeAug',
            transforms=[
                [dict(type='Resize', scale_factor=1.0, keep_ratio=True)] * 1,
                [LOAD[1]],
                [dict(type='PackSegInputs')],
            ],
        ),
    ]
    twin = with_label_map(build(tmp_path / 'a', pipeline), MAPPER, True)
    assert (twin[0]['data_samples'][0].gt_sem_seg.data == 7).all()


def test_the_crop_sees_mapped_labels_only(tmp_path: Path) -> None:
    class Recorder:
        seen: ClassVar[list] = []

        def __call__(self, results: dict) -> dict:
            self.seen.append(set(np.unique(results['gt_seg_map']).tolist()))
            return results

    recorder = Recorder()
    twin = with_label_map(build(tmp_path / 'a', [*LOAD, recorder]), MAPPER, True)
    twin[1]
    assert recorder.seen == [{7}]


def test_pipeline_without_labels(tmp_path: Path) -> None:
    part = build(tmp_path / 'a', LOAD[:1])
    with pytest.raises(ConfigError, match='PascalVOCDataset.pipeline: has neither LoadAnnotations'):
        with_label_map(part, MAPPER, True)
    twin = with_label_map(part, MAPPER, False)
    assert 'gt_seg_map' not in twin[0] and twin[0]['reduce_zero_label'] is False


def test_mapped_twice(tmp_path: Path) -> None:
    twin = with_label_map(build(tmp_path / 'a', LOAD), MAPPER, True)
    with pytest.raises(ConfigError, match='already contains MapLabels'):
        with_label_map(twin, MAPPER, True)


@pytest.mark.parametrize('entry', ['../../secret', 'x/../../secret', '/etc/secret'])
def test_entries_that_lead_out(tmp_path: Path, entry: str) -> None:
    root = write_voc(tmp_path / 'a', [[1]])
    (root / 'ImageSets/Segmentation/train.txt').write_text(f'im0\n{entry}\n')
    part = DATASETS.build(voc_config(root))
    with pytest.raises(ConfigError, match='train.txt: entry .*secret.* is outside'):
        check_inside(part, [part.get_data_info(i) for i in range(2)])


def test_entries_inside_pass_even_with_dots_in_the_root(tmp_path: Path) -> None:
    write_voc(tmp_path / 'a', [[1]])
    (tmp_path / 'a/ImageSets/Segmentation/train.txt').write_text('im0\nsub/../im0\nim..0\n')
    part = DATASETS.build(voc_config(tmp_path / 'a' / '..' / 'a'))
    check_inside(part, [part.get_data_info(i) for i in range(3)])
