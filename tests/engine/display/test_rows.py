"""Rows of runs that are trained elsewhere."""

from __future__ import annotations

import io
import math
from dataclasses import replace

from rich.console import Console

from mmciss.engine.display import LineDisplay, LiveDisplay, shown_on
from mmciss.engine.display.rows import Row

WAITING = Row('mib_seed0', {'method': 'mib', 'seed': '0'}, 'waiting', 0, 6)
RUNNING = replace(
    WAITING, state='running', done=2, iteration=(40, 100), loss=0.25, scores=(70.12, 40.0, 65.0), seconds=190
)


def test_lines_are_printed_when_a_run_begins_finishes_a_step_or_ends() -> None:
    lines: list[str] = []
    display = LineDisplay(lines.append)
    for row in (
        WAITING,
        replace(WAITING, state='queued'),
        replace(WAITING, state='running'),
        replace(WAITING, state='running', iteration=(1, 100)),
        replace(RUNNING, done=1, scores=(70.12, math.nan, 70.12)),
        RUNNING,
        replace(RUNNING, state='queued'),
        replace(RUNNING, iteration=(50, 100)),
        replace(RUNNING, state='failed'),
    ):
        display.rows([row])
    assert lines == [
        'mib_seed0: running, 0 of 6 steps done',
        'mib_seed0: running, 1 of 6 steps done, mIoU old 70.1, all 70.1',
        'mib_seed0: running, 2 of 6 steps done, mIoU old 70.1, new 40.0, all 65.0',
        'mib_seed0: failed, 2 of 6 steps done, mIoU old 70.1, new 40.0, all 65.0',
    ]


def shown(rows: list[Row], height: int) -> tuple[str, str]:
    """Returns what a terminal gets while a table is live, and all of it once it is closed."""
    out = io.StringIO()
    display = LiveDisplay(Console(file=out, force_terminal=True, width=120, height=height))
    with shown_on(display):
        display.rows(rows)
        live = out.getvalue()
    return live, out.getvalue()


def test_a_terminal_gets_a_table_that_stays() -> None:
    live, text = shown([RUNNING, replace(WAITING, name='plop_seed0', labels={'method': 'plop', 'seed': '0'})], 30)
    line = next(line for line in live.splitlines() if 'mib' in line)
    assert line.split() == ['mib', '0', '3/6', '40/100', '0.250', '70.1', '40.0', '65.0', 'running', '0:03:10']
    assert '1 waiting, 1 running' in live
    assert 'plop' in text.rsplit('\x1b[2K', 1)[1], 'it is printed again after the live one was erased'


def test_a_small_terminal_shows_what_failed_and_what_runs() -> None:
    rows = [replace(WAITING, name=f'{index}', labels={'method': f'm{index}'}) for index in range(20)]
    rows[15], rows[3] = replace(rows[15], state='running'), replace(rows[3], state='done')
    rows[17] = replace(rows[17], state='failed')
    live, text = shown(rows, 9)
    names = [line.split()[0] for line in live.splitlines() if line.startswith('m') and line[1].isdigit()]
    assert names == ['m0', 'm1', 'm2', 'm15', 'm17']
    assert all(f'm{index} ' in text for index in range(20))
