"""A progress bar on the terminal."""

from __future__ import annotations

import sys
import time
from types import TracebackType

_WIDTH = 30
_PERIOD = 0.1


class Progress:
    """A line on stderr that is rewritten; nothing where stderr is no terminal.

    Examples:
        >>> with Progress('Reading', 2, show=False) as bar:
        ...     bar.advance(2)
    """

    def __init__(self, title: str, total: int, show: bool = True) -> None:
        self.title = title
        self.total = total
        self.done = 0
        self.show = show and total > 0 and sys.stderr.isatty()
        self._start = self._last = time.monotonic()

    def __enter__(self) -> Progress:
        return self

    def advance(self, count: int = 1) -> None:
        """Reports that more is done."""
        self.done += count
        now = time.monotonic()
        if self.show and (now - self._last > _PERIOD or self.done >= self.total):
            self._last = now
            sys.stderr.write('\r' + self.line(now - self._start))
            sys.stderr.flush()

    def line(self, seconds: float) -> str:
        """Returns the line after so many seconds."""
        share = self.done / self.total
        filled = int(share * _WIDTH)
        left = seconds / self.done * (self.total - self.done) if self.done else 0.0
        return (
            f'{self.title} [{"#" * filled}{"." * (_WIDTH - filled)}] {self.done:,}/{self.total:,}, {left:.0f} s left '
        )

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.show:
            sys.stderr.write('\n')
