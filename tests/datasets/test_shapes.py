"""The built-in data set: its class, and the files that are written once."""

from __future__ import annotations

import multiprocessing
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
from mmseg.registry import DATASETS
from PIL import Image

from mmciss.datasets import shapes
from mmciss.datasets.shapes import ShapesDataset, ShapesSpec, ensure_shapes
from mmciss.errors import ConfigError
from mmciss.utils.palettes import voc_palette

SMALL = dict(train=5, val=3, side=32)
PIPELINE = [dict(type='LoadImageFromFile'), dict(type='LoadAnnotations')]


def contents(root: Path) -> dict[str, bytes]:
    return {str(p.relative_to(root)): p.read_bytes() for p in sorted(root.rglob('*')) if p.is_file()}


def test_layout_of_voc(tmp_path: Path) -> None:
    root = ensure_shapes(tmp_path / 'deep' / 'shapes', **SMALL)
    for split, count in (('train', 5), ('val', 3)):
        names = (root / f'ImageSets/Segmentation/{split}.txt').read_text().split()
        assert len(names) == count
        for name in names:
            mask = Image.open(root / 'SegmentationClass' / f'{name}.png')
            assert mask.mode == 'P' and mask.getpalette()[:63] == [
                value for colour in voc_palette(21) for value in colour
            ]
            assert Image.open(root / 'JPEGImages' / f'{name}.png').size == mask.size == (32, 32)


def test_same_seed_same_pictures_and_more_of_them(tmp_path: Path) -> None:
    first = contents(ensure_shapes(tmp_path / 'a', **SMALL))
    assert contents(ensure_shapes(tmp_path / 'b', **SMALL)) == first
    more = contents(ensure_shapes(tmp_path / 'c', **{**SMALL, 'train': 7}))
    pictures = [key for key in first if key.startswith(('JPEG', 'Segm'))]
    assert all(more[key] == first[key] for key in pictures)
    other = contents(ensure_shapes(tmp_path / 'd', seed=1, **SMALL))
    assert all(other[key] != first[key] for key in pictures)


def test_train_and_val_differ(tmp_path: Path) -> None:
    files = contents(ensure_shapes(tmp_path / 'a', **SMALL))
    pictures = [v for k, v in files.items() if k.startswith('JPEG')]
    assert len(set(pictures)) == 8


def test_drawn_only_once(tmp_path: Path) -> None:
    root = ensure_shapes(tmp_path / 'a', **SMALL)
    with mock.patch.object(shapes, 'draw_picture', side_effect=AssertionError):
        assert ensure_shapes(root, **SMALL) == root


def test_interrupted_drawing_starts_again(tmp_path: Path) -> None:
    with mock.patch.object(shapes, 'draw_picture', side_effect=KeyboardInterrupt), pytest.raises(KeyboardInterrupt):
        ensure_shapes(tmp_path / 'a', **SMALL)
    assert not (tmp_path / 'a').exists()
    ensure_shapes(tmp_path / 'a', **SMALL)
    assert contents(tmp_path / 'a') == contents(ensure_shapes(tmp_path / 'b', **SMALL))


def test_folder_of_the_user_is_never_touched(tmp_path: Path) -> None:
    (tmp_path / 'mine.txt').write_text('mine')
    with pytest.raises(ConfigError, match='not drawn by mmciss'):
        ensure_shapes(tmp_path, **SMALL)
    assert contents(tmp_path) == {'mine.txt': b'mine'}


def test_other_version_or_seed_is_an_error(tmp_path: Path) -> None:
    ensure_shapes(tmp_path / 'a', **SMALL)
    with pytest.raises(ConfigError, match="'seed': 0.*'seed': 2"):
        ensure_shapes(tmp_path / 'a', seed=2, **SMALL)


def test_empty_folder_is_filled(tmp_path: Path) -> None:
    (tmp_path / 'a').mkdir()
    assert (ensure_shapes(tmp_path / 'a', **SMALL) / 'shapes.json').exists()


@pytest.mark.parametrize('wrong', [dict(train=0), dict(val=0), dict(side=8)])
def test_wrong_numbers(tmp_path: Path, wrong: dict[str, int]) -> None:
    with pytest.raises(ConfigError, match='at least'):
        ensure_shapes(tmp_path / 'a', **wrong)


def _draw(root: str) -> None:
    ensure_shapes(root, **SMALL)


def test_two_first_runs_at_once(tmp_path: Path) -> None:
    context = multiprocessing.get_context('fork')
    workers = [context.Process(target=_draw, args=(str(tmp_path / 'a'),)) for _ in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert [worker.exitcode for worker in workers] == [0, 0, 0]
    assert contents(tmp_path / 'a') == contents(ensure_shapes(tmp_path / 'b', **SMALL))


def test_every_class_is_in_many_training_pictures() -> None:
    # Counts of the default data set, drawn small: its classes do not depend on the side.
    spec = ShapesSpec()
    counts = np.zeros(21, dtype=int)
    for i in range(0, spec.train, 8):
        rng = np.random.RandomState([spec.seed, False, i])
        present = np.unique(shapes.draw_picture(rng, 32).labels)
        counts[present[present < 255]] += 1
    assert counts[1:].min() * 8 >= 25


def test_draws_itself_on_first_use(tmp_path: Path) -> None:
    config = dict(
        type='ShapesDataset',
        data_root=str(tmp_path / 'shapes'),
        drawing=SMALL,
        ann_file='ImageSets/Segmentation/val.txt',
        pipeline=PIPELINE,
    )
    dataset = DATASETS.build(config)
    assert len(dataset) == 3 and len(dataset.metainfo['classes']) == 21
    assert dataset.metainfo['classes'][0] == 'background' and dataset.metainfo['label_map'] is None
    sample = dataset[0]
    assert sample['img'].shape == (32, 32, 3) and sample['gt_seg_map'].shape == (32, 32)
    assert set(np.unique(sample['gt_seg_map'])) <= {*range(21), 255}
    del config['drawing']
    assert len(DATASETS.build(config)) == 3


def test_empty_folder_is_filled_and_a_full_one_is_not_touched(tmp_path: Path) -> None:
    (tmp_path / 'empty').mkdir()
    assert len(ShapesDataset(data_root=str(tmp_path / 'empty'), drawing=SMALL)) == 5
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
