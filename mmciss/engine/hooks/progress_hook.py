"""Progress of the whole protocol, in one line."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from mmengine.hooks import Hook
from mmengine.runner import Runner
from mmseg.registry import HOOKS


def progress_line(name: str, step: int, iteration: int, iterations: Sequence[int], seconds: float | None) -> str:
    """Returns the line, for example ``[15-1] step 2/6, iteration 40/100, 0:03:10 left``.

    Args:
        name: The protocol's name.
        step: Index of the running step.
        iteration: Iterations done in it.
        iterations: Iterations of every step.
        seconds: Mean time of an iteration; None if not known yet.
    """
    left = iterations[step] - iteration + sum(iterations[step + 1 :])
    remaining = 'time left unknown' if seconds is None else f'{timedelta(seconds=round(left * seconds))} left'
    return (
        f'[{name}] step {step + 1}/{len(iterations)}, iteration {iteration}/{iterations[step]}, {remaining} '
        f'(evaluation not counted)'
    )


@HOOKS.register_module()
class ProgressHook(Hook):
    """Logs the progress of the whole protocol, next to mmengine's line about the step.

    Args:
        name: The protocol's name.
        step: Index of the running step.
        iterations: Iterations of every step.
        interval: Iterations between two lines.
    """

    priority = 'LOW'

    def __init__(self, name: str, step: int, iterations: Sequence[int], interval: int = 50) -> None:
        self.name, self.step, self.iterations, self.interval = name, step, list(iterations), interval
        self._start = time.perf_counter(), 0

    def before_train(self, runner: Runner) -> None:
        """Starts the clock and logs how much of the model is frozen."""
        self._start = (time.perf_counter(), runner.iter)
        sizes = [(parameter.numel(), parameter.requires_grad) for parameter in runner.model.parameters()]
        if not all(learns for _, learns in sizes):
            learning = sum(size for size, learns in sizes if learns)
            runner.logger.info(
                f'{learning:,} of {sum(size for size, _ in sizes):,} parameters learn in step '
                f'{self.step}; the others are frozen.'
            )

    def after_train_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: dict[str, Any] | None = None,
        outputs: dict[str, Any] | None = None,
    ) -> None:
        """Logs the line at every interval and at the end of the step."""
        done = runner.iter + 1
        if done % self.interval and done != self.iterations[self.step]:
            return
        begin, first = self._start
        seconds = (time.perf_counter() - begin) / max(1, done - first)
        runner.logger.info(progress_line(self.name, self.step, done, self.iterations, seconds))
