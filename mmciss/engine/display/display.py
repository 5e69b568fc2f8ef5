"""Shows the progress of a whole protocol: live on a terminal, in few lines elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from types import TracebackType
from typing import TypeVar

from rich.console import Console
from rich.live import Live
from rich.progress import BarColumn, Progress, TaskID, TextColumn

from mmciss.engine.display.rows import Row, as_line, as_table, changed
from mmciss.engine.display.time_left import TimeLeft
from mmciss.errors import unknown_name

KINDS = ('auto', 'live', 'lines', 'verbose', 'none')
"""What ``display`` in a config may be: live on a terminal and lines elsewhere, one of the two, the whole
log, nothing."""
LINES = 20
"""A display in lines prints progress this often over all iterations of a protocol."""
TABLE_LINES = 4
"""Lines of the terminal that a table leaves to its titles, its summary, and what is printed above it."""

Shown = TypeVar('Shown', bound='Display')


class Display:
    """Base class of displays, and the one that shows nothing (on all processes but the first).

    Use it as a context manager. The events of a step come in the order of the methods below.
    """

    verbose = False
    """Whether the loggers of the steps print everything they log."""

    def __enter__(self: Shown) -> Shown:
        """Returns the display."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Closes the display."""
        self.close()

    def close(self) -> None:
        """Ends the display; it may be used again."""

    def show(self, text: str) -> None:
        """Prints text that stays."""

    def expect(self, left: TimeLeft) -> None:
        """Says what is about to be trained, so that the time left can be told."""

    def begin(self, step: int, learns: str, done: int) -> None:
        """Begins the iterations of a step.

        Args:
            step: Its index.
            learns: The names that it learns.
            done: Iterations that a resumed step has behind it.
        """

    def iterate(self, done: int, loss: Callable[[], float | None]) -> None:
        """Takes note of the iterations done; reads the loss only if it is shown."""

    def look(self, what: str, done: int, total: int) -> None:
        """Takes note of how far a look at images has come, such as an evaluation; in batches."""

    def rows(self, rows: Sequence[Row]) -> None:
        """Takes note of how far runs have come that are trained elsewhere."""


class LineDisplay(Display):
    """Prints plain lines, few enough for a pipe or the log of a CI.

    Args:
        write: Prints a line.
        clock: Returns seconds.
    """

    def __init__(self, write: Callable[[str], None] | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self._write = write or write_line
        self._clock = clock
        self._left: TimeLeft | None = None
        self._next = 0
        self._rows: dict[str, Row] = {}

    def show(self, text: str) -> None:
        """Prints text that stays."""
        self._write(text)

    def expect(self, left: TimeLeft) -> None:
        """Learns how much is to be done."""
        self._left = left

    def begin(self, step: int, learns: str, done: int) -> None:
        """Starts the clock of a step."""
        assert self._left is not None, 'expect() comes first'
        self._left.begin(step, self._clock(), done)
        self._next = done + self._interval()

    def iterate(self, done: int, loss: Callable[[], float | None]) -> None:
        """Shows the progress, if it is time to."""
        assert self._left is not None, 'expect() comes first'
        self._left.iterated(done, now := self._clock())
        if done >= self._next:
            self._next = done + self._interval()
            self._write(progress_line(self._left, loss(), now))

    def rows(self, rows: Sequence[Row]) -> None:
        """Prints a line for every run that has begun, finished a step, or ended."""
        for row in changed(rows, self._rows):
            self._write(as_line(row))
            self._rows[row.name] = row

    def _interval(self) -> int:
        assert self._left is not None
        return max(1, sum(self._left.iterations) // LINES)


class LiveDisplay(Display):
    """Keeps one line at the bottom of the terminal up to date, or a table; what stays is printed above it.

    Args:
        console: Where to print.
        clock: Returns seconds.
    """

    def __init__(self, console: Console | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self.console = console or Console(highlight=False)
        self._clock = clock
        self._left: TimeLeft | None = None
        self._progress: Progress | None = None
        self._task: TaskID | None = None
        self._learns = ''
        self._shown = float('-inf')
        self._table: Live | None = None
        self._rows: Sequence[Row] = ()

    def close(self) -> None:
        """Removes the line at the bottom; a table stays as it was last, with all rows."""
        if self._progress is not None:
            self._progress.stop()
        self._progress = self._task = None
        if self._table is not None:
            self._table.stop()
            self.console.print(as_table(self._rows, len(self._rows)))
        self._table = None

    def show(self, text: str) -> None:
        """Prints text that stays."""
        self.console.print(text, markup=False, highlight=False, soft_wrap=True)

    def expect(self, left: TimeLeft) -> None:
        """Learns how much is to be done."""
        self._left = left

    def begin(self, step: int, learns: str, done: int) -> None:
        """Starts the clock of a step."""
        assert self._left is not None, 'expect() comes first'
        self._left.begin(step, self._clock(), done)
        self._learns = f'step {step + 1}/{len(self._left.iterations)}  {learns}'
        self._update(self._learns, done, self._left.iterations[step], '')

    def iterate(self, done: int, loss: Callable[[], float | None]) -> None:
        """Shows the progress, if it is time to."""
        assert self._left is not None, 'expect() comes first'
        now = self._clock()
        self._left.iterated(done, now)
        total = self._left.iterations[self._left.step]
        if now - self._shown < 0.2 and done < total:
            return
        value = loss()
        facts = [f'{done}/{total}', *([] if value is None else [f'loss {value:.3f}']), time_left(self._left, now)]
        self._update(self._learns, done, total, '  '.join(facts))

    def look(self, what: str, done: int, total: int) -> None:
        """Shows how far a look at images has come."""
        now = self._clock()
        if now - self._shown < 0.2 and 0 < done < total:
            return
        facts = [f'{what} {done}/{total}', *([] if self._left is None else [time_left(self._left, now)])]
        self._update(self._learns, done, total, '  '.join(facts))

    def rows(self, rows: Sequence[Row]) -> None:
        """Shows how far runs have come, in a table."""
        self._rows = rows
        if self._table is None:
            self._table = Live(console=self.console, auto_refresh=False, transient=True)
            self._table.start()
        self._table.update(as_table(rows, self.console.height - TABLE_LINES), refresh=True)

    def _update(self, description: str, done: int, total: int, facts: str) -> None:
        self._shown = self._clock()
        if self._progress is None or self._task is None:
            columns = (TextColumn('{task.description}'), BarColumn(), TextColumn('{task.fields[facts]}'))
            self._progress = Progress(*columns, console=self.console, transient=True, auto_refresh=False)
            self._task = self._progress.add_task(description, total=total, facts=facts)
            self._progress.start()
        self._progress.update(
            self._task, description=description, completed=done, total=total, facts=facts, refresh=True
        )


class VerboseDisplay(LineDisplay):
    """Leaves the console to the log, which also has the progress."""

    verbose = True

    def iterate(self, done: int, loss: Callable[[], float | None]) -> None:
        """Shows the progress, if it is time to."""
        assert self._left is not None, 'expect() comes first'
        self._left.iterated(done, self._clock())


_current: list[Display] = [Display()]


def current_display() -> Display:
    """Returns the display in use; one that shows nothing outside :func:`shown_on`."""
    return _current[-1]


@contextmanager
def shown_on(display: Display) -> Iterator[None]:
    """Makes a display the current one inside a ``with`` block, and closes it at the end."""
    _current.append(display)
    try:
        with display:
            yield
    finally:
        _current.pop()


def write_line(text: str) -> None:
    """Writes a line to the standard output at once."""
    sys.stdout.write(f'{text}\n')
    sys.stdout.flush()


def time_left(left: TimeLeft, now: float) -> str:
    """Returns the time left in words, for example ``0:03:10 left``."""
    seconds = left.seconds(now)
    return 'time left unknown' if seconds is None else f'{timedelta(seconds=round(seconds))} left'


def progress_line(left: TimeLeft, loss: float | None, now: float) -> str:
    """Returns, for example, ``step 2/6, iteration 40/100, loss 0.153, 0:03:10 left``."""
    facts = [f'step {left.step + 1}/{len(left.iterations)}', f'iteration {left.done}/{left.iterations[left.step]}']
    return ', '.join([*facts, *([] if loss is None else [f'loss {loss:.3f}']), time_left(left, now)])


def learned_names(names: Sequence[str], limit: int = 3) -> str:
    """Returns the names that a step learns, shortened: ``disc, ring, square and 12 more``."""
    shown = ', '.join(names[:limit])
    return shown if len(names) <= limit else f'{shown} and {len(names) - limit} more'


def make_display(kind: str = 'auto') -> Display:
    """Makes a display.

    Args:
        kind: One of :data:`KINDS`.

    Raises:
        ConfigError: If there is no such display.
    """
    if kind not in KINDS:
        raise unknown_name('display', kind, KINDS, 'display')
    if kind == 'none':
        return Display()
    if kind == 'verbose':
        return VerboseDisplay()
    live = kind == 'live' or (kind == 'auto' and sys.stdout.isatty())
    return LiveDisplay() if live else LineDisplay()
