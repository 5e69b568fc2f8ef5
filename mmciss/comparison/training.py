"""A training of a comparison, for any process that sees its folders, and what starts it. Importing loads no torch."""

from __future__ import annotations

import math
import os
import sys
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from mmciss.utils.environment import quiet_third_parties, set_thread_defaults

REFRESH = 1.0
"""Seconds between two looks at what is running."""


@dataclass
class Training:
    """Trains a run; a base step that another run has finished by then is taken from it.

    Attributes:
        arguments: Arguments of ``mmciss train``.
        path: The run's folder.
        bases: Folders of the runs that have, or will have, a base step that it can take.
        log: File to which the output is appended.
        leaving: Whether the job is in the queue again, so that this process ends.
    """

    arguments: tuple[str, ...]
    path: Path
    bases: tuple[Path, ...]
    log: Path
    leaving: bool = False

    def command(self) -> list[str]:
        """Returns the arguments of ``mmciss``, as they are best now."""
        import mmciss.register_all  # quietly, as every command does
        from mmciss.engine.runner.run_folder import RunFolder

        command = ['train', *self.arguments]
        if RunFolder(self.path).result(0) is None:
            base = next((path for path in self.bases if RunFolder(path).result(0) is not None), None)
            command += [] if base is None else ['--base-from', str(base)]
        return command

    def __call__(self) -> None:
        """Trains in this process; what submitit calls in a job.

        Raises:
            RuntimeError: If training failed.
        """
        from mmciss.cli import main

        set_thread_defaults()  # before command() imports torch
        quiet_third_parties()
        status = 0
        try:
            with output_to(self.log):
                status = main(self.command())
        except Exception as error:
            # submitit ends a job by SystemExit in the middle of anything; not all of mmengine lets that pass.
            if not self.leaving or type(error).__name__ == 'UncompletedJobError':
                raise
        if self.leaving:
            sys.exit(1)
        if status:
            raise RuntimeError(f'exit status {status}')

    def checkpoint(self) -> Any:
        """Returns what submitit puts into the queue again when the job's time is over: the same, which then resumes."""
        from submitit.helpers import DelayedSubmission

        again = DelayedSubmission(replace(self))
        self.leaving = True
        return again


@contextmanager
def output_to(path: Path) -> Iterator[None]:
    """Appends all that this process prints to a file, what libraries in C print, too."""
    path.parent.mkdir(parents=True, exist_ok=True)
    streams = (sys.stdout, sys.stderr)
    saved = [os.dup(number) for number in (1, 2)]

    def redirect(targets: list[int]) -> None:
        for stream, target, number in zip(streams, targets, (1, 2), strict=True):
            stream.flush()
            os.dup2(target, number)

    with open(path, 'ab') as log:
        redirect([log.fileno()] * 2)
    try:
        yield
    finally:
        redirect(saved)
        for number in saved:
            os.close(number)


class Executor(ABC):
    """Starts trainings. A job is what it returns for one: an object with ``done()``."""

    places: float = math.inf
    """So many jobs may be submitted at the same time."""
    queues = False
    """Whether a job can be submitted before the one that it waits for has ended."""

    @abstractmethod
    def submit(self, name: str, training: Training, after: Any | None = None) -> Any:
        """Submits a training and returns its job.

        Args:
            name: A name for the job.
            training: What to run.
            after: The job that must end first; only if the executor ``queues``.

        Raises:
            ConfigError: If it is refused.
        """

    def find(self, name: str) -> Any | None:
        """Returns the job that an earlier process submitted under a name, if it has not ended."""
        return None

    @abstractmethod
    def is_running(self, job: Any) -> bool:
        """Whether a job has begun and not ended."""

    @abstractmethod
    def failure(self, job: Any) -> str | None:
        """Returns why a job that is done failed, in a word or two; None if it did not."""

    def output(self, job: Any) -> str:
        """Returns what the executor itself says about a job that failed."""
        return ''

    @abstractmethod
    def wait(self, jobs: Sequence[Any]) -> None:
        """Returns when one of the jobs is done, or after :data:`REFRESH` seconds."""

    def close(self) -> None:  # noqa: B027  jobs that go on by themselves need nothing
        """Ends what cannot go on without this process."""
