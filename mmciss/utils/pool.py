"""Working on many files with all cores."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from typing import Any

from mmciss.utils.stopping import ignore_interrupts


def map_chunks(
    work: Callable[[list[Any]], Any],
    items: Sequence[Any],
    chunk: int,
    workers: int | None = None,
    start_method: str | None = None,
    prepare: Callable[[], object] = lambda: None,
    begin: Callable[[], object] = ignore_interrupts,
) -> Iterator[Any]:
    """Yields the result of every chunk of items in order, from processes where that pays.

    Ctrl-C ends it once the chunks in hand are done.

    Args:
        work: What to do with a chunk; a function of a module, since it goes to other processes.
        items: What to work on.
        chunk: Items per chunk; no process is started for a single chunk.
        workers: Number of processes; all cores by default.
        start_method: How processes start (``'fork'``, ``'spawn'``, ...); fork where there is one, which needs no
            ``if __name__ == '__main__'`` in the caller's script.
        prepare: Called once before processes start, such as imports that every one of them would repeat.
        begin: Called in every process first; leaves Ctrl-C to this one.
    """
    chunks = [list(items[start : start + chunk]) for start in range(0, len(items), chunk)]
    workers = workers or available_cores()
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


def available_cores() -> int:
    """Returns how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, 'sched_getaffinity') else os.cpu_count() or 1
