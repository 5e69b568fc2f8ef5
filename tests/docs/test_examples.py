"""The code that the documentation shows runs."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import mmciss.register_all
from mmciss.apis.inspect_protocol import inspect_protocol
from mmciss.apis.train import train
from mmciss.protocols import build_protocol
from mmciss.utils.configs import load_config
from mmciss.utils.files import load_tensors
from tests.docs.pages import code_blocks, files_shown, names_in, tables
from tests.paths import ROOT
from tests.smoke import smoke_config

DOCS = ROOT / 'docs'
ANIMALS = ('cat', 'cow', 'dog', 'horse', 'person', 'sheep')


@pytest.mark.slow
def test_write_a_method(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shown = files_shown(DOCS / 'write_a_method.md')
    means = {'class_means.py', 'class_means_method.py'}
    assert set(shown) == {'sure_logits.py', 'sure_logits_method.py', 'test_sure_logits.py', *means}
    for name, text in shown.items():
        (tmp_path / name).write_text(text, encoding='utf-8')
    monkeypatch.syspath_prepend(str(tmp_path))
    cfg = smoke_config(tmp_path / 'run', method=str(tmp_path / 'sure_logits_method.py'))
    results = train(cfg)
    assert [result['sizes'] for result in results] == [[16], [16, 5]]
    logs = [path.read_text() for path in (tmp_path / 'run' / 'step_1').glob('*/vis_data/scalars.json')]
    values = [json.loads(line)['loss_sure'] for text in logs for line in text.splitlines() if 'loss_sure' in line]
    assert values and np.isfinite(values).all()
    scope: dict = {}
    exec(shown['test_sure_logits.py'], scope)
    tests = [name for name in scope if name.startswith('test_')]
    assert len(tests) == 2
    for name in tests:
        scope[name]()
    sys.modules.pop('sure_logits')

    results = train(smoke_config(tmp_path / 'means', str(tmp_path / 'class_means_method.py'), protocol__name='10-5'))
    assert [result['sizes'] for result in results] == [[11], [11, 5], [11, 5, 5]]
    states = [load_tensors(tmp_path / 'means' / f'step_{index}' / 'state.pth') for index in range(3)]
    kept = [state['shared']['means.means'] for state in states]
    assert [len(means) for means in kept] == [11, 16, 21] and kept[0][0].isnan().all()
    for before, state, after in zip(kept, states[1:], kept[1:], strict=False):
        torch.testing.assert_close(after[: len(before)], before, rtol=0, atol=0, equal_nan=True)
        found = state['statistics']['class_means'][len(before) :]
        torch.testing.assert_close(after[len(before) :], found, rtol=0, atol=0, equal_nan=True)
    assert (~kept[0][1:].isnan()).any() and (~kept[2][16:].isnan()).any()
    logs = [path.read_text() for path in (tmp_path / 'means' / 'step_2').glob('*/vis_data/scalars.json')]
    assert any('"loss_replay"' in text for text in logs)
    sys.modules.pop('class_means')


@pytest.mark.slow
def test_tutorial(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shown = files_shown(DOCS / 'tutorial.md')
    assert set(shown) == {'keep_logits.py', 'keep_logits_method.py'}
    for name, text in shown.items():
        (tmp_path / name).write_text(text, encoding='utf-8')
    monkeypatch.syspath_prepend(str(tmp_path))
    results = train(smoke_config(tmp_path / 'run', method=str(tmp_path / 'keep_logits_method.py')))
    assert [result['sizes'] for result in results] == [[16], [16, 5]]
    logs = [path.read_text() for path in (tmp_path / 'run' / 'step_1').glob('*/vis_data/scalars.json')]
    values = [json.loads(line)['loss_keep'] for text in logs for line in text.splitlines() if 'loss_keep' in line]
    assert values and np.isfinite(values).all()
    sys.modules.pop('keep_logits')


def test_own_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(ROOT / 'configs' / '_base_', tmp_path / '_base_')
    (tmp_path / 'warehouse').mkdir()
    shown = files_shown(DOCS / 'own_data.md')
    for name, text in shown.items():
        (tmp_path / 'warehouse' / name).write_text(text, encoding='utf-8')
    monkeypatch.chdir(tmp_path)
    for root, first in (('warehouse', 1), ('floor', 0)):
        for split in ('train', 'val'):
            for kind in ('images', 'masks'):
                (tmp_path / 'data' / root / kind / split).mkdir(parents=True)
            for number in range(4):
                mask = np.zeros((32, 32), np.uint8)
                mask[:8], mask[8:12], mask[-2:] = number + first, (number + 1) % 4 + first, 255
                Image.fromarray(mask).save(f'data/{root}/masks/{split}/{number:04}.png')
                Image.fromarray(mask).convert('RGB').save(f'data/{root}/images/{split}/{number:04}.jpg')
    found = inspect_protocol(load_config(tmp_path / 'warehouse' / 'warehouse_2-1.py'))
    assert [step['classes'] for step in found['steps']] == [['shelf', 'box'], ['forklift'], ['pallet']]
    # Image n shows the classes n and n + 1: the first step sees those of 1 and 2, that is 4, 1, 2.
    assert [step['images'] for step in found['steps']] == [3, 2, 2]
    assert [step['iterations'] for step in found['steps']] == [4000, 0, 0]
    assert found['steps'][1]['class_pixels'] == {'forklift': 32 * 8 + 32 * 4}
    found = inspect_protocol(load_config(tmp_path / 'warehouse' / 'floor_2-1.py'))
    assert [step['classes'] for step in found['steps']] == [['floor', 'shelf'], ['box'], ['pallet']]


def test_own_protocol() -> None:
    cities = ('road', 'sidewalk')
    domains = 0
    *blocks, alone = code_blocks(DOCS / 'own_protocol.md', 'python')
    calls = [call for block in blocks for call in block.split('protocol = ')[1:]]
    assert len(calls) == 14
    for call in calls:
        config = eval(call)
        domain = 'domains' in config or config.get('setting') == 'domain'
        domains += domain
        names = cities if domain else [f'class {n}' for n in range(20)] if config.get('name') == '15-1' else ANIMALS
        steps = build_protocol(config, names, dataset='cityscapes' if domain else None)
        assert len(steps) > 1
    assert domains == 3
    exec(alone, scope := {})
    assert scope['protocol'][1].names == ('background', 'c', 'a', 'b')


def test_results_from_python(finished_run: Path) -> None:
    (text,) = code_blocks(DOCS / 'results.md', 'python')
    text = text.replace('work_dirs/mib', str(finished_run)).replace('old_new_all(iou', 'scores = old_new_all(iou')
    exec(text, scope := {})
    assert set(scope['scores']) == {'old', 'new', 'all'}


def test_files_of_a_run(finished_run: Path) -> None:
    page = DOCS / 'files.md'
    tree = code_blocks(page)[0]
    listed = {line.split()[0] for line in tree.splitlines()[1:] if line.strip()}
    present = {path.name for path in finished_run.iterdir() if not path.name.startswith('.')}
    inside = {
        path.name.replace('shapes_smoke', 'CONFIG')
        for path in (finished_run / 'step_1').iterdir()
        if not path.name.startswith('20')
    }
    assert {name for name in present if not name.startswith('step_')} <= {name.rstrip('/') for name in listed}
    assert inside <= listed
    result = json.loads((finished_run / 'step_0' / 'result.json').read_text())
    assert names_in([row[0] for row in tables(page)['key']]) == set(result)


def test_a_step_without_mmciss(finished_run: Path, tmp_path: Path) -> None:
    (text,) = code_blocks(DOCS / 'files.md', 'python')
    Image.fromarray(np.zeros((48, 48, 3), np.uint8)).save(tmp_path / 'image.png')
    text = text.replace('work_dirs/mib/step_5', str(finished_run / 'step_1'))
    exec(text.replace('image.png', str(tmp_path / 'image.png')), scope := {})
    result = scope['result']
    assert result.pred_sem_seg.data.shape == (1, 48, 48)
    assert result.seg_logits.data.shape[0] == 21
    assert not torch.isnan(result.seg_logits.data).any()


def test_reference_page_imports() -> None:
    for text in code_blocks(DOCS / 'api' / 'index.md', 'python'):
        exec(text, {})
