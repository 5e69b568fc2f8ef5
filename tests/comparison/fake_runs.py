"""Runs that were never trained, and an executor that trains nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmciss.comparison.plan import Run
from mmciss.comparison.training import Executor, Training
from mmciss.utils.files import file_checksum, write_json


def make_run(path: Path, base: str = 'same', steps: int = 2) -> Run:
    """Returns a run with a few iterations per step."""
    arguments = ('config.py', '--resume', '--work-dir', str(path))
    return Run(path, {'method': path.name, 'seed': '0'}, arguments, base, (10,) * steps, (5,) * steps, 2)


def finish_step(path: Path, step: int, **content: Any) -> None:
    """Writes what makes a step count as done."""
    folder = path / f'step_{step}'
    folder.mkdir(parents=True, exist_ok=True)
    (folder / 'model.pth').write_bytes(b'weights')
    checksum = file_checksum(folder / 'model.pth')
    write_json(folder / 'result.json', {'step': step, 'model': 'model.pth', 'sha256': checksum, **content})


@dataclass
class FakeJob:
    """A job that has ended, with a reason if it failed."""

    reason: str | None = None
    job_id: str = '7'

    def done(self) -> bool:
        """It has ended."""
        return True


class FakeExecutor(Executor):
    """Ends every training at once.

    Args:
        work: Does what a training would do, and returns why it failed, or None.
        queues: See the base class.
    """

    def __init__(self, work: Callable[[str, Training], str | None], queues: bool = False, places: float = 1) -> None:
        self.work, self.queues, self.places = work, queues, places
        self.submitted: list[tuple[str, bool]] = []

    def submit(self, name: str, training: Training, after: Any | None = None) -> FakeJob:
        """Runs a training."""
        self.submitted.append((name, after is not None))
        return FakeJob(self.work(name, training))

    def is_running(self, job: FakeJob) -> bool:
        """It never is."""
        return False

    def failure(self, job: FakeJob) -> str | None:
        """Returns why a job failed."""
        return job.reason

    def wait(self, jobs: Sequence[FakeJob]) -> None:
        """Does not wait."""


def trained(name: str, training: Training) -> str | None:
    """Finishes the steps that a training command names."""
    for step in range(1 if '--steps' in training.arguments else 2):
        finish_step(training.path, step)
    return None
