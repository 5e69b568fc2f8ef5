"""What pip and mim install: a wheel with configs and tools inside, which works without the checkout."""

from __future__ import annotations

import os
import re
import runpy
import shlex
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import yaml

from mmciss.engine.checks.keys import apply_cfg_options
from mmciss.utils.configs import load_config, load_method
from mmciss.version import __version__
from tests.paths import ROOT

COPIED = ('mmciss', 'configs', 'tools', 'requirements')


def run(*command: str, cwd: Path, path: str = '') -> str:
    """Runs a command without the checkout on Python's path and returns what it prints."""
    environment = {**os.environ, 'PYTHONPATH': path, 'PIP_NO_INDEX': '1', 'PIP_DISABLE_PIP_VERSION_CHECK': '1'}
    done = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope='module')
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel built from a copy of the checkout, so that the checkout stays as it is."""
    folder = tmp_path_factory.mktemp('packaging')
    source = folder / 'source'
    source.mkdir()
    ignore = shutil.ignore_patterns('__pycache__', '.mim')
    for name in COPIED:
        shutil.copytree(ROOT / name, source / name, ignore=ignore)
    for path in ROOT.iterdir():
        if path.is_file() and not path.name.startswith('.'):
            shutil.copy2(path, source)
    run(
        sys.executable,
        '-m',
        'pip',
        'wheel',
        '-q',
        '--no-deps',
        '--no-build-isolation',
        '.',
        '-w',
        str(folder),
        cwd=source,
    )
    return next(folder.glob('mmciss-*.whl'))


def files_of(folder: str) -> set[str]:
    """Returns the files of a folder of the checkout that belong in the wheel."""
    return {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / folder).rglob('*')
        if path.is_file() and not {'__pycache__', '.mim'} & set(path.parts)
    }


@pytest.mark.slow
def test_the_wheel_holds_package_configs_and_tools(wheel: Path) -> None:
    names = {name for name in zipfile.ZipFile(wheel).namelist() if '.dist-info/' not in name}
    inside = {f'mmciss/.mim/{name}' for folder in ('configs', 'tools') for name in files_of(folder)}
    assert names == inside | files_of('mmciss') | {'mmciss/.mim/model-index.yml'}
    info = zipfile.ZipFile(wheel).read(f'mmciss-{__version__}.dist-info/METADATA').decode()
    assert 'Apache-2.0' in info and '# mmciss' in info


@pytest.mark.slow
def test_an_unpacked_wheel_finds_its_configs(wheel: Path, tmp_path: Path) -> None:
    zipfile.ZipFile(wheel).extractall(tmp_path / 'site')
    code = (
        'import mmciss; from mmciss.utils.configs import *; '
        'print(mmciss.__file__, configs_folder(), load_config("configs/shapes/shapes_smoke.py").protocol.name, '
        'load_method("mib").method.name, sep="\\n")'
    )
    # -S -c '' would hide the dependencies; an editable install of the checkout comes after PYTHONPATH.
    package, configs, protocol, method = run(
        sys.executable, '-c', code, cwd=tmp_path, path=str(tmp_path / 'site')
    ).splitlines()[-4:]
    assert Path(package).parent == tmp_path / 'site' / 'mmciss'
    assert Path(configs) == tmp_path / 'site' / 'mmciss' / '.mim' / 'configs'
    assert (protocol, method) == ('15-5', 'MiB')
    # As `mim train` calls it, from an empty folder.
    tool = tmp_path / 'site' / 'mmciss' / '.mim' / 'tools' / 'train.py'
    assert '--launcher' in run(sys.executable, str(tool), '-h', cwd=tmp_path, path=str(tmp_path / 'site'))


def test_the_model_index_is_what_the_configs_say() -> None:
    index = yaml.safe_load((ROOT / 'model-index.yml').read_text(encoding='utf-8'))
    collections = {item['Name']: item for item in index['Collections']}
    assert all((ROOT / item['README']).is_file() for item in collections.values())
    assert {model['In Collection'] for model in index['Models']} == set(collections)
    for model in index['Models']:
        cfg = load_config(ROOT / model['Config'])
        name, _, method = model['Name'].partition('--')
        assert Path(model['Config']).stem == name
        assert f'{cfg.protocol.name} {cfg.protocol.setting}' == model['Metadata']['Protocol']
        if not method:
            assert cfg.method.name == model['In Collection']
            continue
        assert load_method(method).method.name == model['In Collection']
        training = shlex.split(model['Metadata']['Training'])
        assert training[:4] == ['tools/train.py', model['Config'], '--method', method]
        assert training[4] == '--cfg-options'
        apply_cfg_options(cfg, dict(option.split('=', 1) for option in training[5:]))
        assert re.fullmatch('[0-9a-f]{64}', model['Metadata']['SHA256']) and model['Results'][0]['Metrics']['mIoU'] > 0


def test_the_citation_file_is_current() -> None:
    citation = yaml.safe_load((ROOT / 'CITATION.cff').read_text(encoding='utf-8'))
    assert citation['version'] == __version__
    assert {'cff-version', 'message', 'title', 'authors'} <= set(citation)
    assert citation['license'] == 'Apache-2.0'
    assert 'Apache License' in (ROOT / 'LICENSE').read_text(encoding='utf-8')


def test_every_dependency_has_a_tested_version(monkeypatch: pytest.MonkeyPatch) -> None:
    found: dict = {}
    monkeypatch.setattr('setuptools.setup', lambda **options: found.update(options))
    runpy.run_path(str(ROOT / 'setup.py'))
    wanted = [*found['install_requires'], *found['extras_require']['test']]
    names = {re.split('[<>=~]', item)[0].lower().replace('_', '-') for item in wanted}
    lines = (ROOT / 'requirements' / 'tested.txt').read_text(encoding='utf-8').splitlines()
    pins = [line.partition('==') for line in lines if line and not line.startswith('#')]
    assert all(version for _, _, version in pins)
    assert names - {name.lower().replace('_', '-') for name, _, _ in pins} == set()
