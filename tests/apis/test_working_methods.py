"""A method that cannot work on a network is refused before anything starts, and the file that works is named."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

import mmciss.register_all
from mmciss.apis import compare, inspect_protocol, train, working_methods
from mmciss.apis.working_methods import method_files
from tests.paths import ROOT
from tests.smoke import SMOKE

CONFIG = str(ROOT / SMOKE)
BASE = ROOT / 'configs' / '_base_' / 'methods' / 'lwf.py'
WRONG = "method = dict(losses=dict(wrong=dict(type='FeatureDistillationLoss', layer='backbone.layer9')))\n"


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of configs where the method ``tapping`` works with the file of the second network only."""
    folder = tmp_path / 'configs'
    for name in ('first', 'second'):
        (folder / name / 'methods').mkdir(parents=True)
    (folder / 'first' / 'methods' / 'tapping.py').write_text(WRONG)
    (folder / 'second' / 'methods' / 'tapping.py').write_text(f'_base_ = {str(BASE)!r}\n')
    (tmp_path / 'tapping.py').write_text(WRONG)
    (tmp_path / 'hopeless.py').write_text(WRONG)
    monkeypatch.setattr(working_methods, 'configs_folder', lambda: folder)
    return tmp_path


def test_files_for_one_network_are_found_by_the_methods_name() -> None:
    found = [str(path.relative_to(ROOT)) for path in method_files('plop')]
    assert 'configs/voc6/methods/plop.py' in found and not [path for path in found if '_base_' in path]
    assert 'configs/voc6/methods/plop.py' not in [
        os.path.relpath(path, ROOT) for path in method_files(str(ROOT / 'configs/voc6/methods/plop.py'))
    ]


def test_a_comparison_names_all_methods_that_cannot_work_and_starts_nothing(
    files: Path, capsys: pytest.CaptureFixture
) -> None:
    methods = [str(files / 'tapping.py'), 'lwf', str(files / 'hopeless.py')]
    assert compare.main([CONFIG, '--methods', *methods, '--work-dir', str(files / 'all'), '--seeds', '0', '1']) == 2
    error = capsys.readouterr().err
    assert '2 of 3 methods cannot work here' in error
    tapping, hopeless = error.strip().splitlines()[1:]
    assert tapping.startswith('tapping_seed0: method.losses.wrong') and 'backbone.layer9' in tapping
    assert tapping.endswith('On this network tapping works with --method configs/second/methods/tapping.py')
    assert hopeless.startswith('hopeless_seed0: method.losses.wrong') and 'works with' not in hopeless
    assert not (files / 'all').exists()


@pytest.mark.parametrize('main', [train.main, inspect_protocol.main])
def test_training_and_inspection_say_the_same(
    main, files: Path, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(files)
    assert main([CONFIG, '--method', 'tapping.py']) == 2
    error = capsys.readouterr().err
    assert error.startswith('error: method.losses.wrong') and len(error.strip().splitlines()) == 1
    assert 'tapping works with --method configs/second/methods/tapping.py' in error


def test_the_work_directory_of_a_comparison_must_be_a_folder(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    (tmp_path / 'file').write_text('mine')
    assert compare.main([CONFIG, '--methods', 'lwf', '--work-dir', str(tmp_path / 'file')]) == 2
    assert 'error: --work-dir:' in capsys.readouterr().err
