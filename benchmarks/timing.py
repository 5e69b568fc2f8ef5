"""What the benchmarks share: both sides in turn in one process, medians, ratios round by round, memory."""

from __future__ import annotations

import argparse
import ctypes
import gc
import os
import platform
import statistics
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import torch


def arguments(description: str | None, rounds: int, cpu_time: bool = False) -> argparse.ArgumentParser:
    """Returns a parser with ``--rounds`` and ``--threads``, and ``--cpu-time`` where that says enough."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--rounds', type=int, default=rounds, help='rounds in which every side runs once')
    parser.add_argument('--threads', type=int, default=1, help='threads of PyTorch on a CPU')
    if cpu_time:
        text = "the process's own time, for a machine that others use too"
        parser.add_argument('--cpu-time', action='store_true', help=text)
    return parser


def device() -> str:
    """Returns 'cuda' on a machine that has it, else 'cpu'."""
    return 'cuda' if torch.cuda.is_available() else 'cpu'


def seconds(run: Callable[[], object], cpu_time: bool = False) -> float:
    """Times one run, waiting for the GPU."""
    clock = time.process_time if cpu_time else time.perf_counter
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    start = clock()
    run()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return clock() - start


def alternate(
    sides: Mapping[str, Callable[[], object]], rounds: int, warm_up: int = 1, cpu_time: bool = False
) -> dict[str, list[float]]:
    """Runs all sides in turn, and returns the seconds of each round by side.

    The order turns round from one round to the next, so that no side always follows the same other one.
    """
    times: dict[str, list[float]] = {name: [] for name in sides}
    for turn in range(warm_up + rounds):
        names = list(sides)
        for name in names if turn % 2 else reversed(names):
            spent = seconds(sides[name], cpu_time)
            if turn >= warm_up:
                times[name].append(spent)
    return times


def ratio(times: Mapping[str, list[float]], name: str, against: str) -> float:
    """Returns the median over rounds of one side's time over another's.

    Ratios are taken round by round, so that a slow moment of the machine hits both sides.
    """
    return statistics.median(a / b for a, b in zip(times[name], times[against], strict=True))


def median_ms(times: Mapping[str, list[float]], name: str) -> float:
    """Returns a side's median in milliseconds."""
    return 1e3 * statistics.median(times[name])


def peak_memory(run: Callable[[], object]) -> int:
    """Returns by how many bytes memory grows at most while something runs.

    On a GPU that is what PyTorch's allocator says; on a CPU the resident set of the process, looked at every half
    millisecond, while glibc gives freed memory back at once.
    """
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        run()
        torch.cuda.synchronize()
        return torch.cuda.max_memory_allocated() - before
    _map_from(2**16)
    before = highest = _resident()
    running = True

    def watch() -> None:
        nonlocal highest
        while running:
            highest = max(highest, _resident())
            time.sleep(0.0005)

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        run()
    finally:
        running = False
        thread.join()
        _map_from(2**25)
    return highest - before


def _map_from(size: int) -> None:
    """Asks glibc to take memory of this size and above from the system, and what is free back to it."""
    libc = ctypes.CDLL(None)
    if hasattr(libc, 'mallopt') and hasattr(libc, 'malloc_trim'):
        libc.mallopt(-3, size)  # M_MMAP_THRESHOLD; 2**25 is where glibc's own adjustment ends
        libc.malloc_trim(0)


def _resident() -> int:
    return int(Path('/proc/self/statm').read_text().split()[1]) * os.sysconf('SC_PAGE_SIZE')


def machine() -> str:
    """Names the machine, in one line."""
    threads = f'{torch.get_num_threads()} of {os.cpu_count()} cores'
    kind = torch.cuda.get_device_name() if torch.cuda.is_available() else f'{platform.machine()}, {threads}'
    return f'{kind}, torch {torch.__version__}, {time.strftime("%Y-%m-%d")}'
