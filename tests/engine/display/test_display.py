"""What the displays print."""

from __future__ import annotations

import io
import itertools

import pytest
from rich.console import Console

from mmciss.engine.display import (
    Display,
    LineDisplay,
    LiveDisplay,
    TimeLeft,
    current_display,
    learned_names,
    make_display,
    shown_on,
)
from mmciss.errors import ConfigError


def run(display: Display, iterations: int = 100) -> None:
    display.expect(TimeLeft([iterations, iterations], [10, 10], batch_size=1))
    for step in range(2):
        display.begin(step, 'disc', 0)
        for done in range(1, iterations + 1):
            display.iterate(done, lambda: 0.25)
        display.look('testing', 1, 2)
        display.look('testing', 2, 2)
        display.show(f'step {step} is done')


def test_lines_are_few_and_say_where_the_protocol_is() -> None:
    lines: list[str] = []
    run(LineDisplay(lines.append, clock=itertools.count().__next__), iterations=5000)
    assert len(lines) <= 22
    assert lines[0].startswith('step 1/2, iteration 500/5000, loss 0.250, ')
    assert lines[0].endswith(' left')
    assert lines[-1] == 'step 1 is done'


def test_the_loss_is_read_only_when_it_is_shown() -> None:
    read: list[int] = []
    display = LineDisplay(lambda text: None)
    display.expect(TimeLeft([100], [0], batch_size=1))
    display.begin(0, '', 0)
    for done in range(1, 101):
        display.iterate(done, lambda done=done: read.append(done))
    assert read == list(range(5, 101, 5))


def test_the_live_line_has_step_names_loss_and_time_and_leaves_only_what_was_shown() -> None:
    out = io.StringIO()
    console = Console(file=out, force_terminal=True, width=120)
    display = LiveDisplay(console, clock=itertools.count().__next__)
    with shown_on(display):
        run(display)
        assert current_display() is display
        text = out.getvalue()
        assert 'step 2/2  disc' in text and 'loss 0.250' in text and 'testing 2/2' in text and ' left' in text
    assert 'step 1 is done' in out.getvalue()
    assert type(current_display()) is Display
    # The line is erased at the end: the last thing written clears it.
    assert out.getvalue().rstrip().endswith('\x1b[2K')


def test_text_in_brackets_is_no_markup() -> None:
    out = io.StringIO()
    LiveDisplay(Console(file=out, width=200)).show('[15-1] x [bold]')
    assert out.getvalue() == '[15-1] x [bold]\n'


def test_kinds(monkeypatch: pytest.MonkeyPatch) -> None:
    assert isinstance(make_display('auto'), LineDisplay)  # tests have no terminal
    assert isinstance(make_display('live'), LiveDisplay)
    assert make_display('verbose').verbose and not make_display('lines').verbose
    assert type(make_display('none')) is Display
    with pytest.raises(ConfigError, match=r"display: unknown display 'loud'.*auto, lines, live, none, verbose"):
        make_display('loud')


def test_long_lists_of_names_are_shortened() -> None:
    assert learned_names(['a', 'b', 'c']) == 'a, b, c'
    assert learned_names(['a', 'b', 'c', 'd', 'e']) == 'a, b, c and 2 more'
