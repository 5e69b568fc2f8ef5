"""Working through many files on all cores, with a progress bar."""

from __future__ import annotations

import multiprocessing
import os
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from typing import Any

from rich import progress
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn

from mmciss.utils.stopping import ignore_interrupts

_PERIOD = 0.1


def map_chunks(
    work: Callable[[list[Any]], Any],
    items: Sequence[Any],
    chunk: int,
    workers: int | None = None,
    start_method: str | None = None,
    prepare: Callable[[], object] = lambda: None,
    begin: Callable[[], object] = ignore_interrupts,
) -> Iterator[Any]:
    """Yields the result of every chunk of items, in order, using several processes where that pays.

    Ctrl-C stops it as soon as the chunks in progress are done.

    Args:
        work: What to do with a chunk; must be a module-level function, since it is sent to other processes.
        items: What to work on.
        chunk: Items per chunk; a single chunk starts no processes.
        workers: Number of processes; all cores by default.
        start_method: How processes start (``'fork'``, ``'spawn'``, ...); fork where available, which needs no
            ``if __name__ == '__main__'`` in the caller's script.
        prepare: Called once before the processes start, for imports that each would otherwise repeat.
        begin: Called first in every process; by default it leaves Ctrl-C to the parent.
    """
    chunks = [list(items[start : start + chunk]) for start in range(0, len(items), chunk)]
    workers = workers or _available_cores()
    # A data loader's worker may not have children of its own.
    if workers < 2 or len(chunks) < 2 or multiprocessing.current_process().daemon:
        yield from map(work, chunks)
        return
    prepare()
    methods = multiprocessing.get_all_start_methods()
    context = multiprocessing.get_context(start_method or ('fork' if 'fork' in methods else 'spawn'))
    with ProcessPoolExecutor(min(workers, len(chunks)), mp_context=context, initializer=begin) as pool:
        try:
            yield from pool.map(work, chunks)
        except KeyboardInterrupt:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _available_cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, 'sched_getaffinity') else os.cpu_count() or 1


class Progress:
    """A progress bar on stderr, which disappears at the end; silent if stderr is not a terminal.

    It starts no thread, since processes are forked while it is shown.

    Examples:
        >>> with Progress('Reading', 2, show=False) as bar:
        ...     bar.advance(2)
    """

    def __init__(self, title: str, total: int, show: bool = True) -> None:
        console = Console(stderr=True)
        columns = (TextColumn('{task.description}'), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        silent = not (show and total > 0 and console.is_terminal)
        self._bar = progress.Progress(*columns, console=console, transient=True, auto_refresh=False, disable=silent)
        self._task = self._bar.add_task(title, total=total)
        self.done = 0
        self._shown = time.monotonic()

    def __enter__(self) -> Progress:
        self._bar.start()
        return self

    def advance(self, count: int = 1) -> None:
        """Adds ``count`` to what is done."""
        self.done += count
        now = time.monotonic()
        refresh = now - self._shown > _PERIOD
        if refresh:
            self._shown = now
        self._bar.update(self._task, advance=count, refresh=refresh)

    def __exit__(self, *error: object) -> None:
        self._bar.stop()
