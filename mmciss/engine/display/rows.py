"""One row per run, while several are trained at the same time."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from rich.table import Table

FIRST = ('failed', 'running', 'queued', 'waiting', 'done')
"""Which states are shown if there is no room for all runs."""


@dataclass(frozen=True)
class Row:
    """How far a run has come.

    Attributes:
        name: The run's name.
        labels: What tells it apart, by column.
        state: What it is doing: one of :data:`FIRST`.
        done: Number of steps that are done.
        steps: Number of all its steps.
        iteration: Iterations done in the step that it learns, and all of that step.
        loss: The latest loss.
        scores: Mean IoU of old, new and all classes after the last step that is done, in percent.
        seconds: Time left.
    """

    name: str
    labels: Mapping[str, str]
    state: str
    done: int
    steps: int
    iteration: tuple[int, int] | None = None
    loss: float | None = None
    scores: tuple[float, float, float] | None = None
    seconds: float | None = None


def as_line(row: Row) -> str:
    """Returns, for example, ``mib_seed0: running, 2 of 6 steps done, mIoU old 70.1, new 40.3, all 66.0``."""
    facts = [f'{row.name}: {row.state}', f'{row.done} of {row.steps} step{"" if row.steps == 1 else "s"} done']
    if row.scores is not None:
        shown = zip(('old', 'new', 'all'), row.scores, strict=True)
        facts.append('mIoU ' + ', '.join(f'{name} {score:.1f}' for name, score in shown if not math.isnan(score)))
    return ', '.join(facts)


def changed(rows: Sequence[Row], before: Mapping[str, Row]) -> list[Row]:
    """Returns the rows that are news: a run has begun, finished a step, or ended.

    Args:
        rows: All rows.
        before: Those that were the last news, by the names of their runs.
    """

    def is_news(row: Row) -> bool:
        last = before.get(row.name)
        if row.state in ('waiting', 'queued'):
            return last is not None and row.done != last.done
        return last is None or (row.state, row.done) != (last.state, last.done)

    return list(filter(is_news, rows))


def as_table(rows: Sequence[Row], height: int) -> Table:
    """Returns a table of the rows.

    Args:
        rows: All rows.
        height: So many have room; if there are more, those that are done are left out first.
    """
    counts = Counter(row.state for row in rows)
    shown = rows
    if len(rows) > height:
        shown = sorted(rows, key=lambda row: FIRST.index(row.state))[: max(1, height)]
        shown = [row for row in rows if row in shown]
    summary = ', '.join(f'{counts[state]} {state}' for state in reversed(FIRST) if counts[state])
    table = Table(box=None, pad_edge=False, caption=summary, caption_justify='left')
    labels = dict.fromkeys(name for row in rows for name in row.labels)
    for name in labels:
        table.add_column(name, no_wrap=True)
    for name in ('step', 'iteration', 'loss', 'old', 'new', 'all'):
        table.add_column(name, justify='right', no_wrap=True)
    table.add_column('state', no_wrap=True)
    table.add_column('left', justify='right', no_wrap=True)
    for row in shown:
        table.add_row(*(row.labels.get(name, '') for name in labels), *_cells(row))
    return table


def _cells(row: Row) -> list[str]:
    scores = row.scores or (math.nan,) * 3
    return [
        f'{min(row.done + 1, row.steps)}/{row.steps}' if row.done or row.iteration or row.state == 'running' else '',
        f'{row.iteration[0]}/{row.iteration[1]}' if row.iteration is not None else '',
        '' if row.loss is None else f'{row.loss:.3f}',
        *('' if math.isnan(score) else f'{score:.1f}' for score in scores),
        row.state,
        '' if not row.seconds or row.seconds < 1 else str(timedelta(seconds=round(row.seconds))),
    ]
