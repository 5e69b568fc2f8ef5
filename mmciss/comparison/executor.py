"""Where the trainings of a comparison run."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

from mmciss.comparison.training import Training

REFRESH = 1.0
"""Seconds between two looks at what is running."""


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
