"""Running trainings on this machine."""

from __future__ import annotations

import concurrent.futures
import os
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from queue import SimpleQueue

from mmciss.comparison.training import REFRESH, Executor, Training


class LocalExecutor(Executor):
    """Runs every training in a process of its own; several GPUs are taken in turn.

    Args:
        jobs: So many at the same time.
    """

    def __init__(self, jobs: int) -> None:
        self.places = jobs
        self._pool = ThreadPoolExecutor(jobs)
        self._free: SimpleQueue[int] = SimpleQueue()
        for place in range(jobs):
            self._free.put(place)
        self._lock = threading.Lock()
        self._processes: set[subprocess.Popen[bytes]] = set()
        self._closed = False

    def submit(self, name: str, training: Training, after: None = None) -> Future[int]:
        """Starts a training as soon as a place is free."""
        return self._pool.submit(self._run, training)

    def _run(self, training: Training) -> int:
        place = self._free.get()
        training.log.parent.mkdir(parents=True, exist_ok=True)
        try:
            with open(training.log, 'ab') as log:
                process = self._start([sys.executable, '-m', 'mmciss', *training.command()], place, log.fileno())
            return process.wait()
        finally:
            self._free.put(place)

    def _start(self, command: list[str], place: int, log: int) -> subprocess.Popen[bytes]:
        with self._lock:
            if self._closed:
                raise concurrent.futures.CancelledError
            process = subprocess.Popen(command, env=environment(place), stdout=log, stderr=subprocess.STDOUT)
            self._processes.add(process)
        return process

    def is_running(self, job: Future[int]) -> bool:
        """Whether a training has begun and not ended."""
        return job.running()

    def failure(self, job: Future[int]) -> str | None:
        """Returns the exit status of a training that failed."""
        status = job.result()
        return None if status == 0 else f'killed by signal {-status}' if status < 0 else f'exit status {status}'

    def wait(self, jobs: Sequence[Future[int]]) -> None:
        """Returns when one of the trainings has ended, or after a while."""
        if jobs:
            concurrent.futures.wait(jobs, REFRESH, concurrent.futures.FIRST_COMPLETED)
        else:
            time.sleep(REFRESH)  # other processes are at work

    def close(self) -> None:
        """Stops what is running, as Ctrl-C does."""
        self._pool.shutdown(wait=False, cancel_futures=True)
        with self._lock:
            self._closed = True
            for process in self._processes:
                process.terminate()
        self._pool.shutdown()


def environment(place: int) -> dict[str, str]:
    """Returns the environment of the process at one of the places: its GPU, if there are any."""
    import torch

    variables = dict(os.environ)
    visible = variables.get('CUDA_VISIBLE_DEVICES')
    devices = visible.split(',') if visible else [str(index) for index in range(torch.cuda.device_count())]
    if devices:
        variables['CUDA_VISIBLE_DEVICES'] = devices[place % len(devices)]
    return variables
