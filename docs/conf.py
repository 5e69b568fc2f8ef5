"""How the documentation is built: ``python -m sphinx -W --keep-going docs build/docs``."""

from __future__ import annotations

import ast
import importlib
import re
import sys
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment

DOCS = Path(__file__).resolve().parent
ROOT = DOCS.parent
sys.path.insert(0, str(ROOT))

from mmciss.utils.environment import import_quietly
from mmciss.version import __version__ as release

import_quietly()

project = 'mmciss'
author = 'the developers of mmciss'
copyright = 'the developers of mmciss, Apache-2.0'
version = release

extensions = ['myst_parser', 'sphinx.ext.autodoc', 'sphinx.ext.napoleon', 'sphinx.ext.mathjax']
exclude_patterns = ['_build']
myst_enable_extensions = ['dollarmath', 'amsmath', 'colon_fence', 'deflist']
myst_heading_anchors = 4

autodoc_member_order = 'bysource'
autodoc_typehints = 'signature'
autodoc_default_options = {'members': True, 'show-inheritance': True}
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_use_ivar = True
napoleon_use_rtype = False

# References that a docstring or page makes by full name are checked; those to torch, numpy and
# MMSegmentation are not, because nothing is looked up on the network.
nitpicky = True
nitpick_ignore_regex = [
    ('py:class', r'(?!mmciss\.).*'),
    ('py:.*', r'[^.]*'),
    ('py:.*', r'(torch|numpy|mmengine|mmseg|mmcv|pathlib)\..*'),
]

html_theme = 'furo'
html_title = f'mmciss {release}'
html_show_sourcelink = False
html_copy_source = False

CONTENTS = {
    'Start': ['install', 'tutorial', 'glossary'],
    'Use it': ['own_data', 'extend', 'benchmark', 'clusters', 'own_protocol'],
    'Look it up': ['results', 'methods/index', 'config', 'files', 'models', 'fidelity'],
    'Measured': [
        'benchmarks',
        'benchmarks_appendix',
        'extend_results',
        'extend_results_appendix',
        'performance',
        'robustness',
    ],
    'Develop': ['write_a_method', 'api/index'],
}
"""The pages by chapter; one that is not there is left out, one that is not named comes last."""

ROOMS = {
    'protocols': 'What is learned when',
    'datasets': 'Data',
    'functional': 'The mathematics',
    'models': 'Models and slots',
    'engine': 'Running a protocol',
    'evaluation': 'What the numbers mean',
    'extend': 'Adding classes to a model',
    'apis': 'Calls and command lines',
    'comparison': 'Comparing methods',
    'utils': 'Utilities',
}
"""Title of every package's page of the reference."""


def modules_of(package: Path) -> list[str]:
    """Returns the names of a package's modules, itself first, packages inside included."""
    paths = sorted(package.rglob('*.py'), key=lambda path: (path.parent, path.name != '__init__.py', path.name))
    return ['.'.join(path.relative_to(ROOT).with_suffix('').parts).removesuffix('.__init__') for path in paths]


def write_if_new(path: Path, text: str) -> None:
    """Writes a page unless it is there already, so that a second build reads nothing twice."""
    path.parent.mkdir(exist_ok=True)
    if not path.is_file() or path.read_text(encoding='utf-8') != text:
        path.write_text(text, encoding='utf-8')


def write_api_pages(folder: Path) -> None:
    """Writes one page per package with the docstrings of all its modules."""
    pages = {}
    for room in sorted(path.parent.name for path in (ROOT / 'mmciss').glob('*/__init__.py')):
        title = f'mmciss.{room}: {ROOMS.get(room, "").lower()}'.removesuffix(': ')
        pages[room] = api_page(title, modules_of(ROOT / 'mmciss' / room))
    alone = sorted(f'mmciss.{path.stem}' for path in (ROOT / 'mmciss').glob('*.py') if '__' not in path.stem)
    pages['package'] = api_page('mmciss', ['mmciss', *alone])
    for name, text in pages.items():
        write_if_new(folder / f'{name}.rst', text)
    for path in folder.glob('*.rst'):
        if path.stem not in pages:
            path.unlink()


def api_page(title: str, modules: list[str]) -> str:
    """Returns a page of the reference."""
    parts = [title, '=' * len(title), '']
    for name in modules:
        inside = name.count('.') > 1
        parts += [name, '-' * len(name), ''] if inside else []
        path = ROOT / Path(*name.split('.')) / '__init__.py'
        # What a package hands on is described where it is defined.
        parts += [f'.. automodule:: {name}', *(['   :no-members:'] if path.is_file() else []), '']
    return '\n'.join(parts)


def write_contents(path: Path) -> None:
    """Writes the tables of contents of the start page."""
    present = {page.stem for page in DOCS.glob('*.md')} - {'index'} | {'methods/index', 'api/index'}
    chapters = {title: [name for name in names if name in present] for title, names in CONTENTS.items()}
    chapters['More'] = sorted(present - {name for names in chapters.values() for name in names})
    write_if_new(
        path,
        '\n'.join(
            '\n'.join(['```{toctree}', ':hidden:', f':caption: {title}', *names, '```', ''])
            for title, names in chapters.items()
            if names
        ),
    )


def first_sentence(text: str) -> str:
    """Returns the first sentence of a comment; points inside names and numbers end none."""
    return re.split(r'(?<=[a-z)\]])\. |\.$', ' '.join(text.split()), maxsplit=1)[0] + '.'


def read_method(path: Path) -> tuple[str, str]:
    """Returns the name that a method's config gives it, and the first sentence of its comment."""
    text = path.read_text(encoding='utf-8')
    comment = ' '.join(line.lstrip('# ') for line in re.match(r'(?:#.*\n)*', text)[0].splitlines())
    calls = [
        node.value
        for node in ast.parse(text).body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == 'method'
    ]
    names = [word.value.value for call in calls for word in call.keywords if word.arg == 'name']
    return names[0] if names else path.stem, first_sentence(comment)


def page_of(method: str) -> str | None:
    """Returns the page about a method: its own, one that it shares, or that of what it varies."""
    pages = sorted(path.stem for path in (DOCS / 'methods').glob('*.md'))
    fitting = [
        [page for page in pages if page == method],
        [page for page in pages if method in page.split('_')],
        [page for page in pages if method.split('_')[0] in page.split('_')],
    ]
    return next((found[0] for found in fitting if found), None)


def write_method_table(path: Path) -> None:
    """Writes the table of ``--method`` out of the configs' own comments."""
    rows = ['| `--method` | name | what it is |', '|---|---|---|']
    for config in sorted((ROOT / 'configs' / '_base_' / 'methods').glob('*.py')):
        name, sentence = read_method(config)
        page = page_of(config.stem)
        title = name if page is None else f'[{name}]({page}.md)'
        rows.append(f'| `{config.stem}` | {title} | {sentence} |')
    write_if_new(path, '\n'.join(rows) + '\n')


def resolve_handed_on(app: Sphinx, env: BuildEnvironment, node: nodes.Element, content: nodes.TextElement) -> Any:
    """Finds references to names that a package hands on from one of its modules."""
    target = node.get('reftarget', '')
    if node.get('refdomain') != 'py' or not target.startswith('mmciss.'):
        return None
    module, _, name = target.rpartition('.')
    try:
        found = getattr(importlib.import_module(module), name)
        target = f'{found.__module__}.{found.__qualname__}'
    except (ImportError, AttributeError):
        return None
    domain = env.get_domain('py')
    return domain.resolve_xref(env, node['refdoc'], app.builder, 'obj', target, node, content)


def answer_for_classes() -> None:
    """Lets mmcv's wrapper of random methods be read off a class, where it has no instance."""
    from mmcv.transforms.utils import cache_randomness

    get = cache_randomness.__get__
    cache_randomness.__get__ = lambda self, instance, owner=None: (
        self if instance is None else get(self, instance, owner)
    )


def generate(app: Sphinx) -> None:
    """Writes the pages that are made from the code."""
    write_api_pages(DOCS / '_generated')
    write_contents(DOCS / '_generated' / 'contents.md.in')
    write_method_table(DOCS / '_generated' / 'methods.md.in')


def setup(app: Sphinx) -> None:
    """Connects the above to Sphinx."""
    app.connect('builder-inited', generate)
    app.connect('missing-reference', resolve_handed_on)
    answer_for_classes()
