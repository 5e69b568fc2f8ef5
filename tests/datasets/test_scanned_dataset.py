"""Validation and test data whose classes are in a different order from the training data's."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mmengine.config import Config
from mmseg.registry import DATASETS

import mmciss.register_all
from mmciss.datasets.incremental_dataset import IncrementalDataset
from mmciss.datasets.protocol_data import ProtocolData
from mmciss.datasets.samplers import DrawnIndex
from mmciss.datasets.scanned_dataset import match_classes
from mmciss.engine.runner.experiment import Experiment
from mmciss.errors import ConfigError
from mmciss.models.step_context import StepState
from tests.step_run import CLASSES, block_masks, step_run_config, write_pictures

SHUFFLED = ('background', 'd', 'a', 'f', 'b', 'c', 'e')


def shuffled(
    masks: list[np.ndarray], names: tuple[str, ...] = SHUFFLED, classes: tuple[str, ...] = CLASSES
) -> list[np.ndarray]:
    """Returns masks with the ids of another numbering of the classes."""
    table = np.full(256, 255)
    table[: len(classes)] = [names.index(name) for name in classes]
    return [table[mask] for mask in masks]


@pytest.fixture(scope='module')
def folders(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The same pictures with masks in both numberings."""
    root = tmp_path_factory.mktemp('match')
    masks = block_masks(0, 8)
    for number in range(1, 7):
        masks[number][:20] = number
    return write_pictures(root / 'plain', masks), write_pictures(root / 'shuffled', shuffled(masks))


def config(folders: tuple[Path, Path], work_dir: Path, splits: tuple[str, ...], **meta: Any) -> Config:
    """Returns a config whose data of some splits is numbered otherwise."""
    cfg = step_run_config(folders[0], work_dir, 'finetuning')
    for split in splits:
        dataset = cfg[f'{split}_dataloader'].dataset
        dataset.data_root = str(folders[1])
        colour = {name: [index, 0, 0] for index, name in enumerate(CLASSES)}
        dataset.metainfo = dict(classes=SHUFFLED, palette=[colour[name] for name in SHUFFLED])
        dataset.metainfo.update(meta)
    return cfg


def test_classes_are_found_by_name_in_every_step(folders: tuple[Path, Path], tmp_path: Path) -> None:
    plain = Experiment.from_cfg(config(folders, tmp_path, ()))
    other = Experiment.from_cfg(config(folders, tmp_path, ('val', 'test')))
    for index in (0, 2):
        for split in ('val', 'test'):
            # As the runner builds them: from the step's own config.
            first, second = (
                DATASETS.build(
                    copy.deepcopy(
                        item.step_config(index, StepState('model.pth') if index else None)[
                            f'{split}_dataloader'
                        ].dataset
                    )
                )
                for item in (plain, other)
            )
            assert first.indices.tolist() == second.indices.tolist()
            assert first.metainfo['classes'] == second.metainfo['classes']
            assert first.metainfo['palette'] == second.metainfo['palette']
            np.testing.assert_array_equal(first.presence.pixels, second.presence.pixels)
            np.testing.assert_array_equal(first.pixel_counts(), second.pixel_counts())
            for position in range(len(first)):
                labels = [
                    item[DrawnIndex(position, seed=0, draw=0)]['data_samples'].gt_sem_seg.data.numpy()
                    for item in (first, second)
                ]
                np.testing.assert_array_equal(*labels)


@pytest.mark.parametrize('split', ['val', 'test'])
@pytest.mark.parametrize(
    ('names', 'message'),
    [
        (SHUFFLED[:-1], "lacks 'e'"),
        ((*SHUFFLED, 'g'), "adds 'g'"),
        (SHUFFLED[1:], "lacks 'background'"),
        (('background', 'D', *SHUFFLED[2:]), "lacks 'd' and adds 'D'"),
        (('background', 'a', 'a', *SHUFFLED[3:]), "lacks 'd'\\. Here"),
    ],
)
def test_other_classes_are_refused_with_both_lists(
    split: str, names: tuple[str, ...], message: str, folders: tuple[Path, Path], tmp_path: Path
) -> None:
    palette = [[0, 0, index] for index in range(len(names))]
    with pytest.raises(ConfigError, match=message) as caught:
        Experiment.from_cfg(config(folders, tmp_path, (split,), classes=names, palette=palette))
    assert ', '.join(names) in str(caught.value) and ', '.join(CLASSES) in str(caught.value)
    assert str(caught.value).startswith(f'{split}_dataloader.dataset.metainfo.classes')


def test_other_colours_do_not_matter(folders: tuple[Path, Path], tmp_path: Path) -> None:
    cfg = config(folders, tmp_path, ('test',), palette=[[9, 9, index] for index in range(7)])
    data = ProtocolData.from_cfg(cfg).dataset(2, 'test')
    assert data.metainfo['palette'] == [[9, 9, SHUFFLED.index(name)] for name in data.metainfo['classes']]


def test_data_without_a_background_is_matched_too(tmp_path: Path) -> None:
    names, other = CLASSES[1:], ('c', 'a', 'f', 'e', 'b', 'd')
    masks = [np.where(mask == 0, 255, mask - 1) for mask in block_masks(1, 6)]
    masks = [np.where(mask == 254, 255, mask) for mask in masks]
    counts = []
    for folder, used, given in (('plain', names, masks), ('other', other, shuffled(masks, other, names))):
        cfg = step_run_config(write_pictures(tmp_path / folder, given), tmp_path, 'finetuning')
        cfg.test_dataloader.dataset.metainfo = dict(classes=used)
        data = IncrementalDataset(cfg.test_dataloader.dataset, dict(name='2-2'), 2, split='test', classes=names)
        counts.append(data.presence.pixels)
        assert data.pixel_counts()[1:].tolist() == data.presence.pixels.sum(0)[1:].tolist()
    np.testing.assert_array_equal(*counts)
    assert counts[0][:, 1:].any(axis=0).sum() > 2


def test_joined_training_data_must_number_classes_alike(folders: tuple[Path, Path], tmp_path: Path) -> None:
    cfg = config(folders, tmp_path, ('test',))
    parts = [cfg.train_dataloader.dataset, cfg.test_dataloader.dataset]
    cfg.train_dataloader.dataset = dict(type='ConcatDataset', datasets=parts, ignore_keys=['classes', 'palette'])
    with pytest.raises(
        ConfigError, match='must have the same classes in the same order; found background, a, b.* background, d, a'
    ):
        Experiment.from_cfg(cfg)


def test_positions() -> None:
    assert match_classes('cab', 'abc', 'key') == (2, 0, 1)


@pytest.mark.parametrize('split', ['val', 'test'])
@pytest.mark.parametrize('label', [255, 0])
def test_data_to_test_on_without_any_class_is_refused(
    split: str, label: int, folders: tuple[Path, Path], tmp_path: Path
) -> None:
    cfg = config(folders, tmp_path, ())
    void = write_pictures(tmp_path / 'void', [np.full((40, 40), label)] * 2)
    cfg[f'{split}_dataloader'].dataset.data_root = str(void)
    with pytest.raises(ConfigError, match=f'{split}_dataloader.dataset: none of its 2 masks has a pixel of any class'):
        Experiment.from_cfg(cfg)


def test_a_first_step_without_images_to_test_on_is_refused(folders: tuple[Path, Path], tmp_path: Path) -> None:
    cfg = config(folders, tmp_path, ())
    cfg.test_dataloader.dataset.data_root = str(write_pictures(tmp_path / 'late', [np.full((40, 40), 6)] * 2))
    with pytest.raises(
        ConfigError, match=r'test_dataloader.dataset: none of its 2 images shows a class of step 0 \(a, b\)'
    ):
        Experiment.from_cfg(cfg)
    cfg.protocol.label_policy = dict(test_images='all')
    assert len(Experiment.from_cfg(cfg).dataset(0, 'test')) == 2
