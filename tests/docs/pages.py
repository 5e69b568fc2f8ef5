"""Reading what the documentation shows: code, commands, tables, links."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

from tests.paths import ROOT

PAGES = sorted(
    [
        *ROOT.glob('*.md'),
        ROOT / 'configs' / 'README.md',
        *(path for path in (ROOT / 'docs').rglob('*.md') if '_' not in path.parent.name),
    ]
)


def code_blocks(page: Path, *languages: str) -> list[str]:
    """Returns the fenced blocks of a page, all or those of some languages; ``''`` is none."""
    found = re.findall(r'^```(\S*)[^\n]*\n(.*?)^```$', page.read_text(encoding='utf-8'), re.MULTILINE | re.DOTALL)
    return [text for name, text in found if not languages or name in languages]


def files_shown(page: Path) -> dict[str, str]:
    """Returns the Python blocks whose first line is a comment with a file's name."""
    found = {}
    for text in code_blocks(page, 'python'):
        if match := re.match(r'# ([\w-]+\.py)\n', text):
            found[match[1]] = text
    return found


def commands(page: Path) -> list[list[str]]:
    """Returns the words of every command that a page shows, of ``tools/`` or ``mmciss``, fenced or indented."""
    text = page.read_text(encoding='utf-8')
    indented = re.findall(
        r'(?:^ {4}.*\n)+', re.sub(r'^```.*?^```$', '', text, flags=re.MULTILINE | re.DOTALL), re.MULTILINE
    )
    lines = '\n'.join([*code_blocks(page, '', 'bash', 'console'), *indented])
    found = []
    for line in lines.replace('\\\n', ' ').splitlines():
        if loop := re.fullmatch(r'for \w+ in (\S+).*?; do (.*); done', line):
            line = re.sub(r'\$\w+', loop[1], loop[2])
        if re.search(r'(^|[ /])(tools|benchmarks)/\w+\.(py|sh)|^(PYTHONPATH=\S+ )?mmciss ', line):
            words = shlex.split(line.removeprefix('$ '), comments=True)
            while words and re.fullmatch(r'[A-Z_]+=.*', words[0]):
                words = words[1:]
            if words:
                found.append(words)
    return found


def links(page: Path) -> list[str]:
    """Returns the relative links of a page, without those of code."""
    text = re.sub(r'^```.*?^```$|`[^`\n]*`', '', page.read_text(encoding='utf-8'), flags=re.MULTILINE | re.DOTALL)
    return [target for target in re.findall(r'\]\(([^)\s]+)\)', text) if not re.match(r'[a-z]+:|#', target)]


def tables(page: Path) -> dict[str, list[list[str]]]:
    """Returns the rows of every table by the first cell of its header."""
    found: dict[str, list[list[str]]] = {}
    for block in re.findall(r'(?:^\|.*\|\n)+', page.read_text(encoding='utf-8'), re.MULTILINE):
        rows = [[cell.strip() for cell in line.strip('|').split('|')] for line in block.splitlines()]
        found[rows[0][0]] = rows[2:]
    return found


def names_in(cells: list[str]) -> set[str]:
    """Returns everything in code font."""
    return {name for cell in cells for name in re.findall(r'`([^`]+)`', cell)}
