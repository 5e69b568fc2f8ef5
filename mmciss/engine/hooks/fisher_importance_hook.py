"""Importance of parameters by their squared gradients."""

from __future__ import annotations

from mmseg.registry import HOOKS
from torch import Tensor

from mmciss.engine.hooks.importance_hook import ImportanceHook, Tensors
from mmciss.functional import normalise_importance, update_fisher


@HOOKS.register_module()
class FisherImportanceHook(ImportanceHook):
    """Elastic weight consolidation, EWC (PNAS 2017, arXiv 1612.00796), as MiB's authors released it.

    The running mean of squared gradients continues from step to step.

    Args:
        weight: Factor of the penalty; 500 in MiB's experiments, 100 in PLOP's, 1000 in SDR's.
        rate: Weight of the newest squared gradient in the running mean; 0.9 in all of these.
    """

    def __init__(self, weight: float = 500.0, rate: float = 0.9) -> None:
        super().__init__(weight)
        self.rate = rate

    def initial(self) -> dict[str, Tensors]:
        """Continues from the previous step; new parameters start at one."""
        return {'fisher': self.continued('fisher', 1.0)}

    def before_update(self, name: str, parameter: Tensor, gradient: Tensor) -> None:
        """Updates the running mean."""
        fisher = self.running['fisher']
        fisher[name] = update_fisher(fisher[name], gradient, self.rate)

    def finish(self) -> dict[str, Tensors]:
        """Returns the running mean."""
        return {'fisher': self.running['fisher']}

    def importance(self, carried: dict[str, Tensors], name: str) -> Tensor | None:
        """Returns the Fisher information scaled to [0, 1]."""
        fisher = carried.get('fisher', {}).get(name)
        return None if fisher is None else normalise_importance(fisher)
