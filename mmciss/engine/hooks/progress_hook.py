"""Progress of the whole protocol, on the display and in the log."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from mmengine.hooks import Hook
from mmengine.runner import Runner
from mmseg.registry import HOOKS

from mmciss.engine.display import current_display


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
    """Tells the display how far the protocol is, and logs it next to mmengine's line about the step.

    Args:
        name: The protocol's name.
        step: Index of the running step.
        iterations: Iterations of every step.
        learns: What the step learns, in words.
        interval: Iterations between two lines of the log.
    """

    priority = 'LOW'

    def __init__(self, name: str, step: int, iterations: Sequence[int], learns: str = '', interval: int = 50) -> None:
        self.name, self.step, self.iterations, self.interval = name, step, list(iterations), interval
        self.learns = learns
        self._start = time.perf_counter(), 0

    def before_train(self, runner: Runner) -> None:
        """Starts the clock and logs how much of the model is frozen."""
        current_display().begin(self.step, self.learns, runner.iter)
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
        current_display().iterate(done, lambda: latest_loss(runner))
        if done % self.interval and done != self.iterations[self.step]:
            return
        begin, first = self._start
        seconds = (time.perf_counter() - begin) / max(1, done - first)
        runner.logger.info(progress_line(self.name, self.step, done, self.iterations, seconds))

    def after_test_iter(
        self, runner: Runner, batch_idx: int, data_batch: dict[str, Any] | None = None, outputs: Any = None
    ) -> None:
        """Tells the display how far the test is."""
        current_display().look('testing', batch_idx + 1, len(runner.test_dataloader))

    def after_val_iter(
        self, runner: Runner, batch_idx: int, data_batch: dict[str, Any] | None = None, outputs: Any = None
    ) -> None:
        """Tells the display how far the validation is."""
        current_display().look('validating', batch_idx + 1, len(runner.val_dataloader))


def latest_loss(runner: Runner) -> float | None:
    """Returns the loss of the last iteration; waits for it on a GPU."""
    found = runner.message_hub.log_scalars.get('train/loss')
    return None if found is None else float(found.current())
