"""Importance of parameters by how much each of them reduced the loss."""

from __future__ import annotations

import torch
from mmseg.registry import HOOKS
from torch import Tensor

from mmciss.engine.hooks.importance_hook import ImportanceHook, Tensors
from mmciss.errors import unknown_name
from mmciss.functional import accumulate_path, normalise_importance, path_importance

GRADIENTS = ('next', 'own')


@HOOKS.register_module()
class PathImportanceHook(ImportanceHook):
    """Path integral, PI, also called synaptic intelligence (ICML 2017, arXiv 1703.04200).

    Args:
        weight: Factor of the penalty; 500 in MiB's experiments, 100 in PLOP's, 1000 in SDR's.
        gradient: Which gradient to multiply with the change made by an update. ``'next'``: that of the following
            update, as in the release of MiB's authors, whose table has PI on segmentation; the last update is not
            counted. ``'own'``: that of the same update, as in the paper's integral.

    Raises:
        ConfigError: If ``gradient`` is neither of them.
    """

    def __init__(self, weight: float = 500.0, gradient: str = 'next') -> None:
        super().__init__(weight)
        if gradient not in GRADIENTS:
            raise unknown_name('gradient', gradient, GRADIENTS, 'method.hooks: PathImportanceHook.gradient')
        self.gradient = gradient
        self.uses_update = gradient == 'own'

    def initial(self) -> dict[str, Tensors]:
        """Starts with a path of zeros, at the current weights."""
        state = {'path': {name: torch.zeros_like(p) for name, p in self.parameters.items()}}
        if self.gradient == 'next':
            state['before'] = {name: p.detach().clone() for name, p in self.parameters.items()}
        return state

    def before_update(self, name: str, parameter: Tensor, gradient: Tensor) -> None:
        """Adds what the previous update saved, by the gradient at its end."""
        if self.gradient == 'next':
            path, before = self.running['path'], self.running['before']
            path[name] = accumulate_path(path[name], gradient, before[name], parameter)
            before[name] = parameter.clone()

    def after_update(self, name: str, parameter: Tensor, gradient: Tensor, before: Tensor) -> None:
        """Adds what the update saved, by its own gradient."""
        path = self.running['path']
        path[name] = accumulate_path(path[name], gradient, before, parameter)

    def finish(self) -> dict[str, Tensors]:
        """Returns the importance, added to that of previous steps."""
        known = self.carried.get('score', {})
        return {
            'score': {
                name: path_importance(path, self.parameters[name].detach(), self.start[name], known.get(name, 0))
                for name, path in self.running['path'].items()
            }
        }

    def importance(self, carried: dict[str, Tensors], name: str) -> Tensor | None:
        """Returns the importance scaled to [0, 1]."""
        score = carried.get('score', {}).get(name)
        return None if score is None else normalise_importance(score)
