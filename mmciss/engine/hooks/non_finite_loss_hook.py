"""Stops a step whose loss becomes NaN or infinite."""

from __future__ import annotations

import math
from typing import Any

import torch
from mmengine.dist import all_reduce
from mmengine.hooks import Hook
from mmengine.runner import Runner, find_latest_checkpoint
from mmseg.registry import HOOKS


class NonFiniteLossError(FloatingPointError):
    """A loss became infinite or NaN."""


@HOOKS.register_module()
class NonFiniteLossHook(Hook):
    """Stops training at the first loss that is NaN or infinite, and says where and in which term.

    Args:
        interval: Iterations between two checks on a GPU, where reading a loss waits for the device. On a CPU every
            iteration is checked.
    """

    priority = 'VERY_HIGH'

    def __init__(self, interval: int = 50) -> None:
        self.interval = interval

    def after_train_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: dict[str, Any] | None = None,
        outputs: dict[str, Any] | None = None,
    ) -> None:
        """Checks the losses that the model logged.

        Raises:
            NonFiniteLossError: On every rank, if a loss of any rank is not finite.
        """
        interval = 1 if not torch.cuda.is_available() else self.interval
        if not outputs or 'loss' not in outputs or (runner.iter + 1) % interval:
            return
        bad = torch.tensor(0.0 if math.isfinite(outputs['loss'].item()) else 1.0)
        if runner.distributed:
            # If one rank stopped alone, the others would wait for its gradients.
            bad = bad.to(outputs['loss'].device)
            all_reduce(bad, 'max')
        if float(bad):
            terms = [
                name
                for name, value in outputs.items()
                if name != 'loss' and 'loss' in name and not math.isfinite(value.mean().item())
            ]
            raise NonFiniteLossError(
                f'the loss is not finite at iteration {runner.iter + 1} in {runner.work_dir}; '
                f'terms: {", ".join(terms) or "their sum"}. Last good checkpoint: '
                f'{find_latest_checkpoint(runner.work_dir) or "none"}. Lower steps.*.lr (--lr of an '
                f'extension), or set optim_wrapper.clip_grad.'
            )
