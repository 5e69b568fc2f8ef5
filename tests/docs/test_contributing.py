"""Everything that CONTRIBUTING.md names exists, and its code works."""

from __future__ import annotations

import ast
import re

from mmciss.engine.runner.step_config import EXTENSION_KEYS, METHOD_SLOTS
from mmciss.models.slots import NEEDS
from tests.docs.pages import code_blocks
from tests.paths import ROOT

PAGE = ROOT / 'CONTRIBUTING.md'
TEXT = PAGE.read_text(encoding='utf-8')
SNIPPETS = [
    ast.parse(re.sub(r'^ {3}', '', block, flags=re.MULTILINE))
    for block in re.findall(r'^ {3}```python\n(.*?)^ {3}```$', TEXT, re.MULTILINE | re.DOTALL)
]


def test_files_and_what_is_in_them_exist() -> None:
    paths = [path for path in re.findall(r'`([\w./-]+/[\w./-]*)`', TEXT) if '<' not in path]
    assert paths and not [path for path in paths if not (ROOT / path).exists()]
    for name, path in re.findall(r'`(\w+)` in `([\w/]+\.py)`', TEXT):
        assert re.search(rf'\b{name}\b', (ROOT / path).read_text(encoding='utf-8')), f'{name} in {path}'


def test_slots_and_needs() -> None:
    calls = [node.value for snippet in SNIPPETS for node in snippet.body if isinstance(node, ast.Assign)]
    keys = {word.arg for call in calls for word in call.keywords}
    assert keys and keys <= {*METHOD_SLOTS, 'name', 'base', *EXTENSION_KEYS}
    assert f'({", ".join(f"`{need!r}`" for need in NEEDS)})' in ' '.join(TEXT.split())


def test_every_registered_module_is_imported_beside_it() -> None:
    """A module that no package imports is in no registry."""
    for folder in ('models/losses', 'models/initializers', 'models/labelers', 'engine/statistics'):
        package = ROOT / 'mmciss' / folder
        imports = (package / '__init__.py').read_text(encoding='utf-8')
        registered = [
            path.stem for path in package.glob('*.py') if 'register_module' in path.read_text(encoding='utf-8')
        ]
        assert registered and not [stem for stem in registered if f'{stem} import' not in imports], folder


def test_no_block_of_code_is_left_out() -> None:
    assert len(SNIPPETS) == len(re.findall(r'^ *```python', TEXT, re.MULTILINE)) and not code_blocks(PAGE, 'python')
