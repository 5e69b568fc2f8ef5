"""The site builds without a warning, links lead somewhere, and the tools accept the commands shown."""

from __future__ import annotations

import argparse
import importlib
import os
import re
import runpy
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from mmciss.cli import COMMANDS
from mmciss.utils.configs import method_names
from tests.docs.pages import PAGES, code_blocks, commands, links
from tests.paths import ROOT

EXAMPLES = ('configs/warehouse/',)
"""Files that a page tells the reader to make."""


@pytest.mark.slow
def test_site_builds_without_warnings(tmp_path: Path) -> None:
    command = [
        sys.executable,
        '-m',
        'sphinx',
        '-q',
        '-W',
        '--keep-going',
        '-j',
        '2',
        '-b',
        'html',
        '-d',
        str(tmp_path / 'doctrees'),
        str(ROOT / 'docs'),
        str(tmp_path / 'html'),
    ]
    # What needs the network fails at once rather than after a timeout.
    offline = dict.fromkeys(('http_proxy', 'https_proxy'), 'http://127.0.0.1:9')
    done = subprocess.run(
        command, capture_output=True, text=True, env={**os.environ, **offline, 'PYTHONPATH': str(ROOT)}
    )
    assert done.returncode == 0, done.stderr
    pages = {path.relative_to(tmp_path / 'html').as_posix() for path in (tmp_path / 'html').rglob('*.html')}
    wanted = {path.relative_to(ROOT / 'docs').with_suffix('.html').as_posix() for path in (ROOT / 'docs').rglob('*.md')}
    assert wanted <= pages
    reference = (tmp_path / 'html' / '_generated' / 'functional.html').read_text(encoding='utf-8')
    assert 'id="mmciss.functional.logit_distillation.logit_distillation"' in reference


@pytest.mark.parametrize('page', PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_lead_somewhere(page: Path) -> None:
    missing = [link for link in links(page) if not (page.parent / link.partition('#')[0]).exists()]
    assert not missing


def parse(tool: str, arguments: list[str], monkeypatch: pytest.MonkeyPatch) -> argparse.Namespace:
    """Runs a tool up to the point where it has read its command line."""
    original = argparse.ArgumentParser.parse_args
    found = []

    def stop(self: argparse.ArgumentParser, args: Any = None, namespace: Any = None) -> Any:
        found.append(original(self, args, namespace))
        raise KeyboardInterrupt

    monkeypatch.setattr(argparse.ArgumentParser, 'parse_args', stop)
    monkeypatch.setattr(sys, 'argv', [tool, *arguments])
    monkeypatch.setenv('LOCAL_RANK', '0')
    with pytest.raises(KeyboardInterrupt):
        if tool.startswith('mmciss/'):
            importlib.import_module(tool.removesuffix('.py').replace('/', '.')).main(arguments)
        else:
            monkeypatch.syspath_prepend(str((ROOT / tool).parent))
            runpy.run_path(str(ROOT / tool), run_name='__main__')
    return found[0]


def unwrap(words: list[str]) -> tuple[str, list[str]]:
    """Returns the Python tool behind a command and its arguments."""
    while words[0] in ('python', 'python3', 'bash', '.venv/bin/python'):
        words = words[1:]
    tool, arguments = words[0], words[1:]
    if tool == 'mmciss':
        return f'mmciss/apis/{COMMANDS[arguments[0]][0]}.py', arguments[1:]
    places = {'dist_train': 1, 'dist_test': 2}.get(Path(tool).stem)
    if places is not None:
        assert arguments[places].isdigit(), 'the number of GPUs'
        arguments = arguments[:places] + arguments[places + 1 :] + ['--launcher', 'pytorch']
    elif Path(tool).stem.startswith('slurm'):
        arguments = [*arguments[2:], '--launcher', 'slurm']
    return re.sub(r'(dist|slurm)_(train|test)\.sh', r'\2.py', tool), arguments


SHOWN = [(page.relative_to(ROOT).as_posix(), words) for page in PAGES for words in commands(page)]


@pytest.mark.parametrize('page, words', SHOWN, ids=[f'{page}: {" ".join(words)}' for page, words in SHOWN])
def test_commands_are_understood(page: str, words: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    tool, arguments = unwrap(words)
    assert (ROOT / tool).is_file()
    if tool == 'tools/quickstart.py':
        assert arguments[0] in ('train', 'test', 'lint')
        return
    args = parse(tool, arguments, monkeypatch)
    config = getattr(args, 'config', '')
    if config.startswith('configs/') and not config.startswith(EXAMPLES):
        assert (ROOT / config).is_file()
    method = getattr(args, 'method', None)
    assert method is None or method.endswith('.py') or method == '<name>' or method in method_names()


def test_the_commands_were_found() -> None:
    by_page = {page for page, _ in SHOWN}
    assert {'README.md', 'CONTRIBUTING.md', 'configs/README.md', 'docs/benchmark.md', 'docs/tutorial.md'} <= by_page


def test_extras_exist() -> None:
    setup = (ROOT / 'setup.py').read_text(encoding='utf-8')
    extras = {
        name
        for page in PAGES
        for text in [*code_blocks(page), page.read_text(encoding='utf-8')]
        for name in re.findall(r'-e \.\[(\w+)\]', text)
    }
    assert extras >= {'test', 'docs'}
    assert all(re.search(rf"^        '{name}': ", setup, re.MULTILINE) for name in extras), extras
