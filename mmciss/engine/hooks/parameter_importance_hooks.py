"""The importance of parameters to old classes: EWC, path integral and Riemannian walk."""

from __future__ import annotations

import torch
from mmseg.registry import HOOKS
from torch import Tensor

from mmciss.engine.hooks.importance_hook import ImportanceHook, Tensors
from mmciss.errors import ConfigError, unknown_name
from mmciss.functional import (
    accumulate_path,
    accumulate_walk,
    finish_walk,
    normalise_importance,
    path_importance,
    update_fisher,
)


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


@HOOKS.register_module()
class WalkImportanceHook(ImportanceHook):
    """Riemannian walk, RW (ECCV 2018, arXiv 1801.10112), as MiB's authors released it.

    A stretch goes from the weights before one update to those before another, ``stretch`` updates later: 1 to 11, 11 to
    21. Its loss reduction is measured with the gradient and the weights at its end, and with the Fisher information of
    the updates before. The latter continues from step to step; stretches start anew.

    Args:
        weight: Factor of the penalty; 100 in MiB's and PLOP's experiments, 1000 in SDR's.
        rate: Weight of the newest squared gradient in the running Fisher information.
        stretch: Length of a stretch in updates.

    Raises:
        ConfigError: If ``stretch`` is below 1.
    """

    def __init__(self, weight: float = 100.0, rate: float = 0.9, stretch: int = 10) -> None:
        super().__init__(weight)
        if stretch < 1:
            raise ConfigError(f'method.hooks: WalkImportanceHook.stretch must be at least 1, found {stretch}')
        self.rate = rate
        self.stretch = stretch

    def initial(self) -> dict[str, Tensors]:
        """Continues the Fisher information of the previous step; new parameters start at one, the score at zero."""
        parameters = self.parameters.items()
        return {
            'fisher': self.continued('fisher', 1.0),
            'score': {name: torch.zeros_like(p) for name, p in parameters},
            'before': {name: p.detach().clone() for name, p in parameters},
        }

    def before_update(self, name: str, parameter: Tensor, gradient: Tensor) -> None:
        """Adds a stretch that ends here to the score, then updates the Fisher information."""
        fisher, score, before = (self.running[kind] for kind in ('fisher', 'score', 'before'))
        if (self.updates - 1) % self.stretch == 0:  # the first update adds zero, since nothing has moved yet
            score[name] = accumulate_walk(score[name], gradient, before[name], parameter, fisher[name])
            before[name] = parameter.clone()
        fisher[name] = update_fisher(fisher[name], gradient, self.rate)

    def finish(self) -> dict[str, Tensors]:
        """Returns the Fisher information, and the score averaged with that of previous steps."""
        known = self.carried.get('score', {})
        return {
            'fisher': self.running['fisher'],
            'score': {name: finish_walk(score, known.get(name)) for name, score in self.running['score'].items()},
        }

    def importance(self, carried: dict[str, Tensors], name: str) -> Tensor | None:
        """Returns the sum of both, each scaled to [0, 1]."""
        fisher, score = (carried.get(kind, {}).get(name) for kind in ('fisher', 'score'))
        return None if fisher is None or score is None else normalise_importance(fisher) + normalise_importance(score)
