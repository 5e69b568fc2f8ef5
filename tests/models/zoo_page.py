"""``docs/models.md``: written from rows, and read back."""
from __future__ import annotations

from dataclasses import dataclass

WORKS, ADAPTER, REFUSED, NOT_HERE = 'works', 'needs an adapter', 'refused', 'not built here'


@dataclass(frozen=True)
class Row:
    """A line of the table."""

    family: str
    backbone: str
    head: str
    layers: str
    method: str
    result: str
    reason: str


HEADER = ('family', 'backbone', 'head', 'layers that grow', 'method', 'result', 'why')
PAGE = """# Which models work

Written by `python tools/model_table.py`, never by hand; the test suite runs a part of it again and
compares. Each row took one of MMSegmentation's own configs (the one with the shortest name of each
family), divided its widths where that is possible, and went the whole way: build the model, adopt
its weights as the first step, learn a class with the old model as teacher, export, compare, and run
the exported model in plain MMSegmentation. For mmpretrain it is an FCN head on the last map of each
backbone.

{summary}

## Decode heads and backbones of MMSegmentation

{first}

## Backbones of mmpretrain, by scope

`backbone=dict(type='mmpretrain.ConvNeXt', ...)` with `custom_imports = dict(imports=['mmpretrain.models'])`.

{second}

## What the results mean

- **works**: every layer whose rows are classes was found by building the head with one class more,
  and grows.
- **by an adapter**: more than rows grows, as listed in
  `mmciss.models.classifiers.grown_parameters`. PointRend starts with the old outputs. Segmenter
  cannot: in the softmax of its self-attention every token has a positive weight, so that a token for
  a new class takes attention from the others, and its last norm is taken over all classes. It starts
  close to the old outputs, and the old model as teacher brings it back.
- **needs an adapter**: something else than rows depends on the number of classes, so the old model
  cannot be kept as it is inside the new one.
- **refused**: the model does not predict one of several classes for each pixel.
- **not built here**: a package or a compiled operation was missing where this page was written; it
  says nothing about the head.
"""


def page(rows: list[Row]) -> str:
    """Writes the whole page."""
    counts = {result: sum(row.result == result for row in rows) for result in (WORKS, ADAPTER, REFUSED, NOT_HERE)}
    heads = sorted({row.head for row in rows if row.result == WORKS})
    summary = ', '.join(f'{count} {result}' for result, count in counts.items() if count)
    summary += f'. Decode heads that work: {", ".join(heads)}.'
    ours = [row for row in rows if not row.family.startswith('mmpretrain.')]
    theirs = [row for row in rows if row.family.startswith('mmpretrain.')]
    return PAGE.format(summary=summary, first=table(ours), second=table(theirs))


def table(rows: list[Row]) -> str:
    """Writes rows in Markdown."""
    from mmciss.evaluation.markdown import table as markdown
    cells = [[f'**{row.family}**', row.backbone, row.head, row.layers, row.method, row.result, row.reason]
             for row in rows]
    return markdown(HEADER, cells, text_columns=len(HEADER))


def read_rows(text: str) -> dict[str, Row]:
    """Reads the rows of :func:`page` by family."""
    lines = [line for line in text.splitlines() if line.startswith('| **')]
    cells = [[cell.strip() for cell in line.split('|')[1:-1]] for line in lines]
    rows = [Row(row[0].strip('*'), *row[1:]) for row in cells]
    return {row.family: row for row in rows}
