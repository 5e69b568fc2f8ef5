"""What benchmarks/code_size.py counts."""

from __future__ import annotations

import ast
import importlib
import sys
from types import ModuleType

import pytest

from tests.paths import ROOT

SOURCES = {
    'mmciss.slot': """
class Slot:
    def begin(self): ...
    def asked(self): ...
    @property
    def size(self): ...
""",
    'mmciss.loop': """
from mmciss.slot import Slot
import mmciss.alone, os
def run(slot, cfg):
    hasattr(slot, 'begin') and getattr(slot, 'asked', None)
    getattr(slot, 'size', 1), hasattr(slot, 'other'), getattr(slot, 'begin')
def other(a, *, cfg=None):
    def inner(cfg): from mmciss import slot
""",
    'mmciss.alone': '',
}


@pytest.fixture
def code_size(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The script as a module."""
    monkeypatch.syspath_prepend(str(ROOT / 'benchmarks'))
    return importlib.import_module('code_size')


def test_what_is_counted(code_size: ModuleType) -> None:
    trees = {name: ast.parse(source) for name, source in SOURCES.items()}
    assert code_size.handshakes(trees) == ['asked', 'begin']
    assert code_size.config_arguments(trees) == {'mmciss.loop': 3}
    assert code_size.imported(trees['mmciss.loop'], set(trees)) == {'mmciss.slot', 'mmciss.alone'}


def test_the_table_of_files(code_size: ModuleType, monkeypatch, capsys) -> None:
    monkeypatch.setattr(sys, 'argv', ['code_size', '--static'])
    assert code_size.main() == 0
    rows = dict(line.strip('| ').split(' | ') for line in capsys.readouterr().out.splitlines()[2:])
    paths = list((ROOT / 'mmciss').rglob('*.py'))
    assert rows['Python files'] == str(len(paths))
    assert rows['lines'] == str(sum(path.read_text(encoding='utf-8').count('\n') for path in paths))
    assert 0 < int(rows['modules with one importer']) < len(paths)


@pytest.mark.slow
def test_the_table_of_a_run(code_size: ModuleType) -> None:
    table = code_size.dynamic_table(ROOT)
    assert 5 < table['files that one PLOP iteration crosses'] < 30
    assert table['incremental segmentors built by two steps of MiB'] >= 2
    assert all(count > 0 for count in table.values() if not isinstance(count, str))
