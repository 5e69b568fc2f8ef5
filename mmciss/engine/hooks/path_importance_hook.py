"""Importance of parameters by how much loss each of them saved."""
from __future__ import annotations

import torch
from mmseg.registry import HOOKS
from torch import Tensor

from mmciss.engine.hooks.importance_hook import ImportanceHook, Tensors
from mmciss.functional import accumulate_path, normalise_importance, path_importance


@HOOKS.register_module()
class PathImportanceHook(ImportanceHook):
    """Path integral, PI, also called synaptic intelligence (ICML 2017, arXiv 1703.04200).

    Args:
        weight: Factor of the penalty; 500 in MiB's experiments, 100 in PLOP's, 1000 in SDR's.
    """

    uses_update = True

    def __init__(self, weight: float = 500.0) -> None:
        super().__init__(weight)

    def begin(self) -> dict[str, Tensors]:
        """Starts from zeros."""
        return {'path': {name: torch.zeros_like(p) for name, p in self.parameters.items()}}

    def before_update(self, name: str, parameter: Tensor, gradient: Tensor) -> None:
        """Does nothing: the path is known after the update."""

    def after_update(self, name: str, parameter: Tensor, gradient: Tensor, before: Tensor) -> None:
        """Adds what the update saved."""
        path = self.state['path']
        path[name] = accumulate_path(path[name], gradient, before, parameter)

    def finish(self) -> dict[str, Tensors]:
        """Returns the importance, with that of the steps before."""
        known = self.carried.get('score', {})
        return {
            'score': {
                name:
                path_importance(path, self.parameters[name].detach(), self.start[name],
                                known.get(name, 0))
                for name, path in self.state['path'].items()
            }
        }

    def importance(self, carried: dict[str, Tensors], name: str) -> Tensor | None:
        """Returns the importance scaled to [0, 1]."""
        score = carried.get('score', {}).get(name)
        return None if score is None else normalise_importance(score)
