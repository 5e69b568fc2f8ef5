"""Ending a run at a chosen iteration, and where it was resumed."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from mmengine.hooks import Hook
from mmengine.runner import Runner
from mmseg.registry import HOOKS


@HOOKS.register_module()
class InterruptionHook(Hook):
    """Ends a run as Ctrl-C does, just before an iteration, when the checkpoints before it are written.

    Args:
        iteration: The iteration, counted from 0 in its step.
        step: The step.
    """

    def __init__(self, iteration: int, step: int = 0) -> None:
        self.iteration, self.step = iteration, step

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None) -> None:
        """Ends the run."""
        if runner.cfg.model.step.index == self.step and runner.iter == self.iteration:
            raise KeyboardInterrupt


def resumed_at(folder: Path) -> list[int]:
    """Returns the iterations at which a step's runs continued from a checkpoint, oldest first."""
    logs = sorted(folder.glob('2*/2*.log'))
    return [int(found) for path in logs for found in re.findall(r'resumed epoch: \d+, iter: (\d+)', path.read_text())]
