"""The parts of the demonstration on photographs."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from tests.paths import ROOT


@pytest.fixture(autouse=True)
def demo_on_path(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.syspath_prepend(str(ROOT / 'demo'))
    yield
    for name in [name for name in sys.modules if name.partition('.')[0] == 'photographs']:
        del sys.modules[name]


def test_what_each_stage_labels() -> None:
    from photographs.folders import STAGES, as_new, only, seen

    mask = np.array([[0, 1, 4], [5, 6, 255]], np.uint8)
    assert only(mask, STAGES[0]).tolist() == [[0, 1, 0], [0, 0, 255]]
    assert as_new(mask, STAGES[2]).tolist() == [[0, 0, 0], [1, 2, 255]]
    assert [seen(stage) for stage in range(3)] == [[0, 1, 2, 3], [0, 1, 2, 3, 4], [0, 1, 2, 3, 4, 5, 6]]


def test_folders(tmp_path: Path) -> None:
    from photographs.folders import write_folders, write_some

    source, ids = tmp_path / 'voc', {'a': 1, 'b': 4, 'c': 5, 'd': 0}
    for folder in ('SegmentationVoc6', 'JPEGImages', 'ImageSets/Segmentation'):
        (source / folder).mkdir(parents=True)
    for name, index in ids.items():
        cv2.imwrite(str(source / 'SegmentationVoc6' / f'{name}.png'), np.full((20, 30), index, np.uint8))
        cv2.imwrite(str(source / 'JPEGImages' / f'{name}.jpg'), np.zeros((20, 30, 3), np.uint8))
    for split in ('train_aug', 'val'):
        (source / 'ImageSets/Segmentation' / f'{split}.txt').write_text('\n'.join(ids), encoding='utf-8')
    counts = write_folders(source, tmp_path / 'out', 40)
    stages = {'base': 1, 'new_1': 1, 'new_2': 1, 'everything_1': 2, 'everything': 3}
    assert counts == {**stages, 'val_0': 1, 'val_1': 1, 'val_2': 2}
    mask = cv2.imread(str(tmp_path / 'out/new_2/masks/c.png'), cv2.IMREAD_UNCHANGED)
    assert mask.shape == (40, 60) and (mask == 1).all()
    assert [path.stem for path in (tmp_path / 'out/others_1/masks').iterdir()] == ['b'], 'a and c are in val_2'
    some = write_some(tmp_path / 'out' / 'everything', tmp_path / 'out', 2, seed=0)
    names = [{path.stem for path in (some / kind).iterdir()} for kind in ('images', 'masks')]
    assert some.name == 'everything_2' and len(names[0]) == 2 and names[0] == names[1] < {'a', 'b', 'c'}


def test_a_wider_classifier_keeps_its_rows() -> None:
    from photographs.plain import CLASSIFIER, widened

    old = {f'{CLASSIFIER}.weight': torch.ones(3, 4), f'{CLASSIFIER}.bias': torch.ones(3), 'x': torch.zeros(1)}
    new = {f'{CLASSIFIER}.weight': torch.zeros(5, 4), f'{CLASSIFIER}.bias': torch.zeros(5), 'x': torch.ones(1)}
    found = widened(old, new)
    assert found[f'{CLASSIFIER}.weight'].sum(1).tolist() == [4, 4, 4, 0, 0] and found['x'] == 0


def test_scores_and_table(tmp_path: Path) -> None:
    from photographs.page import row, stage_table
    from photographs.scores import iou

    confusion = np.diag([4] * 5).tolist()
    confusion[0][4] = 4
    (tmp_path / 'base_on_1.json').write_text(json.dumps(dict(confusion=confusion)), encoding='utf-8')
    (tmp_path / 'base').mkdir()
    (tmp_path / 'base' / 'seconds.json').write_text('61', encoding='utf-8')
    assert iou(tmp_path / 'base_on_1.json') == [50, 100, 100, 100, 50]
    assert row([50, 100, 100, 100, 50], 1)[-3:] == ['100.0', '50.0', '80.0']
    assert stage_table(tmp_path, 1).splitlines()[2].split('|')[-2].strip() == '1:01'
    other = [[0] * 5, [0, 0, 4, 0, 0], *([0] * 5 for _ in range(3))]  # a cat that is called a cow
    (tmp_path / 'base_on_others_1.json').write_text(json.dumps(dict(confusion=other)), encoding='utf-8')
    assert iou(tmp_path / 'base_on_1.json', tmp_path / 'base_on_others_1.json') == [50, 50, 50, 100, 50]
    assert stage_table(tmp_path, 1, ('on', 'on_others')).splitlines()[2].split('|')[7].strip() == '66.7'


@pytest.mark.parametrize('name', ['deeplabv3', 'deeplabv3_small', 'segformer_head', 'segformer'])
def test_models_can_be_extended(name: str) -> None:
    from photographs import plain

    import mmciss.register_all
    from mmciss.models.classifiers.head_config import segmentor_classes

    recipe = plain.MODELS[name]
    cfg = plain.config(recipe, 'weights.pth', Path('data'), 4, 5, Path('out/base'), factor=0.1)
    assert segmentor_classes(cfg.model) == 4
    kind, lr = {'deeplabv3': ('SGD', 0.02), 'segformer': ('AdamW', 5e-4)}.get(name, ('AdamW', 2e-4))
    assert cfg.optim_wrapper.optimizer.type == kind and cfg.optim_wrapper.optimizer.lr == pytest.approx(lr / 10)
    assert recipe.optimizer['optimizer']['lr'] == lr, 'the recipe is used again'


def test_how_long_retraining_lasts() -> None:
    from photographs.plain import MODELS

    assert [MODELS['deeplabv3'].retraining(stage) for stage in (1, 2)] == [2500, 3000]
    assert MODELS['deeplabv3_small'].retraining(2) == 600


def test_pairs_of_several_folders(tmp_path: Path) -> None:
    from photographs.folders import join

    for name, masks in {'one': {'a': [1, 0, 255], 'b': [2, 2, 2]}, 'two': {'a': [0, 4, 0]}}.items():
        for kind in ('images', 'masks'):
            (tmp_path / name / kind).mkdir(parents=True)
        for stem, row in masks.items():
            cv2.imwrite(str(tmp_path / name / 'masks' / f'{stem}.png'), np.array([row], np.uint8))
            cv2.imwrite(str(tmp_path / name / 'images' / f'{stem}.jpg'), np.zeros((1, 3, 3), np.uint8))
    folder = join([tmp_path / 'one', tmp_path / 'two'], tmp_path / 'both')
    found = {path.stem: cv2.imread(str(path), cv2.IMREAD_UNCHANGED)[0].tolist() for path in folder.glob('masks/*')}
    assert found == {'a': [1, 4, 255], 'b': [2, 2, 2]}
    assert sorted(path.name for path in folder.glob('images/*')) == ['a.jpg', 'b.jpg']
