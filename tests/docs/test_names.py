"""Modules, files and config keys that pages, docstrings, comments and messages name exist."""

from __future__ import annotations

import ast
import importlib
import re
from pathlib import Path

import pytest

import mmciss.register_all
from mmciss.engine.runner.schedule import STEP_KEYS
from mmciss.engine.runner.step_config import EXTENSION_KEYS, METHOD_SLOTS
from mmciss.protocols.build import KEYS
from tests.docs.pages import PAGES
from tests.paths import ROOT

CODE = sorted(
    path
    for folder in ('mmciss', 'configs', 'tools', 'benchmarks', 'demo')
    for path in ROOT.joinpath(folder).rglob('*.*')
)
CODE = [path for path in CODE if path.suffix in ('.py', '.sh', '.yaml', '.ipynb')]
FOLDERS = 'benchmarks|configs|demo|docs|mmciss|requirements|tests|tools'
ELSEWHERE = ('configs/warehouse/', 'mmciss/.mim', 'tools/dataset_converters/')
"""What a page tells the reader to make, what packaging makes, and scripts of MMSegmentation."""


def paths_in(text: str) -> set[str]:
    """Returns the paths in a text that begin with a folder of this repository; without those with a gap to fill."""
    found = re.findall(rf'(?<![\w./<>{{}}*-])((?:{FOLDERS})/[^\s`\'"|()\[\],;:\\]*)', text)
    return {path.rstrip('.') for path in found if not re.search('[<>{}$]|[A-Z]{3,}', path.replace('README', ''))}


def missing_paths(page: Path) -> list[str]:
    """Returns the paths that a file names and that are not there."""
    return [
        path
        for path in sorted(paths_in(page.read_text(encoding='utf-8')))
        if not path.startswith(ELSEWHERE) and not any(any(root.glob(path)) for root in (ROOT, page.parent))
    ]


def unknown_names(text: str) -> list[str]:
    """Returns the dotted names below ``mmciss`` in a text that are neither modules nor in one."""
    return [name for name in sorted(set(re.findall(r'(?<![\w./-])mmciss(?:\.\w+)+', text))) if not resolves(name)]


def resolves(name: str) -> bool:
    """Whether a dotted name is a module, or something in one."""
    parts = name.split('.')
    for count in range(len(parts), 0, -1):
        try:
            found = importlib.import_module('.'.join(parts[:count]))
        except ModuleNotFoundError:
            continue
        for part in parts[count:]:
            if part in getattr(found, '__annotations__', ()):
                return True
            if not hasattr(found, part):
                return False
            found = getattr(found, part)
        return True
    return False


def test_what_is_not_there_is_found(tmp_path: Path) -> None:
    text = 'See `configs/ciss/nothing.py`, configs/recipes/mib_*.py, tools/no_*.sh and docs/NAME.md.'
    (tmp_path / 'page.md').write_text(text)
    assert missing_paths(tmp_path / 'page.md') == ['configs/ciss/nothing.py', 'tools/no_*.sh']
    assert unknown_names('mmciss.cli.main, mmciss.cli.nothing and mmciss.nothing') == [
        'mmciss.cli.nothing',
        'mmciss.nothing',
    ]


@pytest.mark.parametrize('page', PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_what_a_page_names_exists(page: Path) -> None:
    text = page.read_text(encoding='utf-8')
    assert missing_paths(page) == [] and unknown_names(text) == []
    tests = {name for name in re.findall(r'`(test_\w+\.py)`', text) if not any((ROOT / 'tests').rglob(name))}
    assert tests == set()


def test_what_the_code_names_exists() -> None:
    found = {path.relative_to(ROOT).as_posix(): missing_paths(path) for path in CODE}
    assert {name: paths for name, paths in found.items() if paths} == {}
    names = {path.relative_to(ROOT).as_posix(): unknown_names(path.read_text(encoding='utf-8')) for path in CODE}
    assert {name: unknown for name, unknown in names.items() if unknown} == {}


TREES = {path: ast.parse(path.read_text(encoding='utf-8')) for path in CODE if path.suffix == '.py'}
NODES = [node for path, tree in TREES.items() if path.is_relative_to(ROOT / 'mmciss') for node in ast.walk(tree)]
PARAMETERS = {node.arg for node in NODES if isinstance(node, ast.arg)} | {
    node.target.id for node in NODES if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name)
}
"""Names of all arguments and attributes in the code, which the keys of a method's slots are."""


def unknown_keys(text: str) -> list[str]:
    """Returns the config keys in a text below ``protocol``, ``method`` and ``steps`` that nothing reads."""
    unknown = []
    for key in sorted(set(re.findall(r'(?<![\w./])(?:protocol|method|steps)(?:\.\w+)+', text))):
        root, *parts = key.split('.')
        if parts[0].isupper():
            continue  # stands for any key
        if root == 'steps':
            known = parts[0] in ('base', 'later', 'new', 'old', 'k') or parts[0].isdigit()
            if parts[0] in ('base', 'later') and parts[1:]:
                known = parts[1] in STEP_KEYS
        else:
            parts = parts[1:] if root == 'method' and parts[0] == 'base' and parts[1:] else parts
            known = parts[0] in (KEYS if root == 'protocol' else {*METHOD_SLOTS, 'name', 'base', *EXTENSION_KEYS})
            if parts[1:] and parts[0] not in ('losses', 'shared', 'statistics', 'cfg'):  # of which names are free
                known = known and (parts[1] in PARAMETERS or parts[1] == 'type')
            elif parts[2:] and parts[0] != 'cfg':
                known = known and parts[2] in PARAMETERS
        if not known:
            unknown.append(key)
    return unknown


def test_config_keys_exist() -> None:
    text = 'method.labler, method.labeler.sureness, method.losses.kd.loss_wait, steps.later.leer, protocol.oder'
    assert unknown_keys(text) == sorted(text.split(', '))
    assert unknown_keys('method.labeler.threshold, method.base.losses.kd.loss_weight, steps.later.lr, steps.new.') == []
    texts = {
        path.relative_to(ROOT).as_posix(): path.read_text(encoding='utf-8')
        for path in PAGES
        if path.name != 'CHANGELOG.md'
    }
    for path, tree in TREES.items():  # of the code its strings: messages, docstrings
        strings = [
            node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)
        ]
        texts[path.relative_to(ROOT).as_posix()] = '\n'.join(strings)
    found = {name: unknown_keys(text) for name, text in texts.items()}
    assert {name: keys for name, keys in found.items() if keys} == {}
