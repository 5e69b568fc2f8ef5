"""Every method has a proof in this folder, and a row in docs/fidelity.md that names it."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

from mmciss.utils.configs import method_names
from tests.docs.pages import tables
from tests.paths import ROOT

FOLDER = Path(__file__).parent
PAGE = ROOT / 'docs' / 'fidelity.md'
ROWS = {cells[0].strip('`'): cells for cells in tables(PAGE)['method']}
RECIPES = sorted(path.stem for path in (ROOT / 'configs' / 'recipes').glob('*.py'))


def method_of(recipe: str) -> str:
    """Returns the method of ``plop_voc_15-1``: the longest one that the name begins with."""
    return max((name for name in method_names() if recipe.startswith(f'{name}_')), key=len)


@cache
def proven_in(path: Path) -> frozenset[str]:
    """Returns the methods that a test file names, by themselves or by one of their recipes."""
    words = {
        node.value
        for node in ast.walk(ast.parse(path.read_text(encoding='utf-8')))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    return frozenset((words & set(method_names())) | {method_of(word) for word in words & set(RECIPES)})


def test_every_method_has_a_proof() -> None:
    files = [path for path in FOLDER.glob('test_*.py') if path != Path(__file__)]
    proven = frozenset().union(*map(proven_in, files))
    assert proven == set(method_names())


def test_every_method_has_a_row() -> None:
    assert sorted(ROWS) == sorted(method_names())
    assert {recipe for cells in ROWS.values() for recipe in re.findall(r'\[([\w-]+)\]\(', cells[2])} == set(RECIPES)


@pytest.mark.parametrize('method', sorted(ROWS))
def test_row(method: str) -> None:
    """Its recipes exist and are the method's own or take it by ``--method``, and the proof that it names is one."""
    for recipe, target in re.findall(r'\[([\w-]+)\]\(([^)]+)\)', ROWS[method][2]):
        assert (PAGE.parent / target).resolve() == ROOT / 'configs' / 'recipes' / f'{recipe}.py'
        assert (ROOT / 'configs' / 'recipes' / f'{recipe}.py').is_file()
        assert method_of(recipe) == method or f'`--method {method}`' in ROWS[method][2]
    proofs = [PAGE.parent / target for target in re.findall(r'\]\((\.\./tests/[^)]+)\)', ROWS[method][3])]
    assert proofs
    for path in proofs:
        assert method in proven_in(path.resolve())
