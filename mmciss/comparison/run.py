"""One run of a comparison."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from mmciss.engine.display.time_left import TimeLeft
from mmciss.engine.runner.run_folder import RunFolder


@dataclass(frozen=True)
class Run:
    """A run of a comparison.

    Attributes:
        path: Its folder.
        labels: What tells it apart, by column: method, seed, and what else was given several values.
        arguments: Arguments of ``mmciss train``.
        base: What the base step depends on; runs with an equal value can share it.
        iterations: Iterations of every step.
        test_images: Images that every step is tested on.
        batch_size: Images per iteration.
    """

    path: Path
    labels: Mapping[str, str] = field(hash=False)
    arguments: tuple[str, ...]
    base: str
    iterations: tuple[int, ...]
    test_images: tuple[int, ...]
    batch_size: int

    @property
    def name(self) -> str:
        """The name of its folder."""
        return self.path.name

    @property
    def folder(self) -> RunFolder:
        """Its folder."""
        return RunFolder(self.path)

    @property
    def steps(self) -> int:
        """Number of steps."""
        return len(self.iterations)

    def has_base(self) -> bool:
        """Whether its base step is done."""
        return self.folder.result(0) is not None

    def is_done(self) -> bool:
        """Whether all its steps are done."""
        return self.folder.first_open_step(self.steps) == self.steps

    def time_left(self) -> TimeLeft:
        """Returns an estimate of the time that it takes."""
        return TimeLeft(self.iterations, self.test_images, self.batch_size)
