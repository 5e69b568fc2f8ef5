"""A step's images together with stored ones: which, and with which labels."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from mmseg.registry import DATASETS

from mmciss.datasets.exemplars import Exemplar, Memory
from mmciss.datasets.replay_dataset import ReplayDataset
from mmciss.datasets.samplers import DrawnIndex
from mmciss.errors import ConfigError
from tests.datasets.voc_folder import PIPELINE, voc_config, write_voc

# Step 1 of 15-1 learns 16: its images are 1, 2 and 4. Stored: 0, 2 (also one of the step) and 5.
IMAGES = [[1, 17], [16], [1, 16], [17], [16, 17], [2, 255], []]


def build(
    root: Path, stored: tuple[int, ...] = (0, 2, 5), pipeline: list | None = None, **options: Any
) -> ReplayDataset:
    wrapped = voc_config(write_voc(root, IMAGES), pipeline=pipeline)
    images = tuple(Exemplar(str(root / 'JPEGImages' / f'im{index}.jpg'), 0) for index in stored)
    Memory(0, images).save(root / 'memory.json')
    current = dict(
        type='IncrementalDataset',
        dataset=wrapped,
        step_index=1,
        split='train',
        protocol=dict(name='15-1', setting='overlapped'),
        policy='plop',
    )
    return DATASETS.build(
        dict(type='ReplayDataset', dataset=current, memory=str(root / 'memory.json'), options=dict(size=3, **options))
    )


def labels_of(dataset: ReplayDataset, indices: range) -> list[set[int]]:
    return [set(dataset[i]['data_samples'].gt_sem_seg.data.unique().tolist()) for i in indices]


def test_concat_adds_images_labelled_as_the_step_may(tmp_path: Path) -> None:
    dataset = build(tmp_path)
    assert len(dataset) == 5 and (dataset.num_current, dataset.num_exemplars) == (3, 2)
    assert labels_of(dataset, range(3)) == [{0, 16}] * 3
    # No label of an old class; image 2 is not shown twice.
    assert labels_of(dataset, range(3, 5)) == [{0}, {0, 255}]
    names = [Path(dataset.get_data_info(i)['img_path']).stem for i in range(5)]
    assert names == ['im1', 'im2', 'im4', 'im0', 'im5']


@pytest.mark.parametrize('mode', ['concat', 'batch'])
def test_full_labels_are_those_of_seen_classes_and_of_stored_images_only(tmp_path: Path, mode: str) -> None:
    dataset = build(tmp_path, mode=mode, labels='full')
    assert len(dataset) == (6 if mode == 'concat' else 3)
    assert labels_of(dataset, range(3)) == [{0, 16}] * 3
    # Class 17 is learned later: background, never a label.
    assert labels_of(dataset, range(3, 6)) == [{0, 1}, {0, 1, 16}, {0, 2, 255}]


def test_it_tells_samplers_and_metrics_what_they_ask(tmp_path: Path) -> None:
    dataset = build(tmp_path)
    assert dataset.step_index == 1 and dataset.step.new == (16,)
    assert dataset.metainfo['classes'][-1] == 'pottedplant' and len(dataset.metainfo['classes']) == 17


def test_augmentation_of_stored_images_depends_on_the_draw_alone(tmp_path: Path) -> None:
    flip = [*PIPELINE[:2], dict(type='RandomFlip', prob=0.5), PIPELINE[2]]
    dataset = build(tmp_path, pipeline=flip)
    draws = [[dataset[DrawnIndex(3, seed=1, draw=draw)]['inputs'] for draw in range(8)] for _ in range(2)]
    assert all(torch.equal(a, b) for a, b in zip(*draws, strict=True))
    assert any(not torch.equal(draws[0][0], other) for other in draws[0])


def test_an_image_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r'memory.json names .*im99.jpg, which is not an image'):
        build(tmp_path, stored=(0, 99))
