"""Random numbers that do not depend on whether a run was interrupted."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import torch
from mmengine.hooks import Hook
from mmengine.runner import Runner
from mmseg.registry import HOOKS


@HOOKS.register_module()
class ReproducibleRandomHook(Hook):
    """Seeds the generators at every iteration from (seed, iteration, rank).

    Dropout, stochastic depth and the like then depend on the iteration alone, so a resumed run continues as if it had
    never stopped, with no generator state in the checkpoint. :class:`mmciss.datasets.IncrementalDataset` seeds data
    augmentation in the same way.
    """

    priority = 'VERY_HIGH'

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: dict[str, Any] | None = None) -> None:
        """Seeds python, NumPy and torch."""
        seed = self.seed_of(int(runner.seed or 0), runner.iter, runner.rank)
        random.seed(seed)
        np.random.seed(seed)
        torch.manual_seed(seed)

    @staticmethod
    def seed_of(seed: int, iteration: int, rank: int) -> int:
        """Mixes the three numbers into a 32-bit seed; neighbouring ones get unrelated seeds."""
        return int(np.random.SeedSequence((seed % (1 << 32), iteration, rank)).generate_state(1)[0])
