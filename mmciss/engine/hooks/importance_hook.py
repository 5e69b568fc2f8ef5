"""Keeps important parameters close to their old values."""

from __future__ import annotations

from typing import Any

import torch
from mmengine.optim import OptimWrapperDict
from mmengine.runner import Runner
from torch import Tensor, nn
from torch.optim import Optimizer

from mmciss.engine.hooks.teacher_hook import unwrap
from mmciss.errors import ConfigError
from mmciss.models.classifiers.grown_parameters import padded
from mmciss.models.slot import MethodHook
from mmciss.utils.private_api import unscales_by_itself

Tensors = dict[str, Tensor]


class ImportanceHook(MethodHook):
    r"""Base class: measures how important each parameter is, and penalises its change in later steps accordingly.

    The measure uses the gradient of every update, after accumulation, reduction over all ranks, unscaling of mixed
    precision and clipping; every rank computes the same. It runs in hooks of the optimizer, so updates that mixed
    precision skips are not counted.

    In later steps the penalty :math:`\lambda \sum_i \Omega_i (\theta_i - \theta_i^{start})^2` acts through its gradient
    :math:`2 \lambda \Omega_i (\theta_i - \theta_i^{start})`, which is added to that of the losses after the
    measurement: the same as backpropagating the penalty, for the price of an addition. It is limited to the distance
    over the learning rate, with which one step of gradient descent leads back to the start; a stronger pull would
    overshoot and diverge. The published settings stay below the limit. Parameters that the previous step did not have,
    such as new classes' rows, are free.

    A subclass implements :meth:`initial`, :meth:`before_update`, :meth:`finish` and :meth:`importance`.

    Args:
        weight: Factor of the penalty.
    """

    priority = 'NORMAL'
    uses_update = False
    """Whether :meth:`after_update` must be called."""

    def __init__(self, weight: float) -> None:
        if weight < 0:
            raise ConfigError(f'method.hooks: {type(self).__name__}.weight must not be negative, found {weight}')
        self.weight = weight
        self.updates = 0
        self.start: Tensors = {}
        self.running: dict[str, Tensors] = {}
        self.carried: dict[str, Tensors] = {}
        self._known: dict[str, Tensors] = {}
        self.stiffness: Tensors = {}
        self.parameters: dict[str, nn.Parameter] = {}
        self._stiffest: dict[str, float] = {}
        self._used: dict[str, tuple[Tensor, Tensor]] = {}
        self._loaded: dict[str, Any] | None = None
        self._handles: list[Any] = []

    def initial(self) -> dict[str, Tensors]:
        """Returns the state before the first update: tensors by kind and parameter name."""
        raise NotImplementedError

    def continued(self, kind: str, fill: float) -> Tensors:
        """Returns what the previous step left, for a state that continues from step to step.

        Args:
            kind: A key of what :meth:`finish` returned.
            fill: Value of everything that the previous step did not have; at the base step, of everything.
        """
        known = self._known.get(kind, {})
        return {
            name: padded(known[name], p.shape, fill).clone() if name in known else torch.full_like(p, fill)
            for name, p in self.parameters.items()
        }

    def before_update(self, name: str, parameter: Tensor, gradient: Tensor) -> None:
        """Updates the state of one parameter with the gradient of the coming update."""
        raise NotImplementedError

    def after_update(self, name: str, parameter: Tensor, gradient: Tensor, before: Tensor) -> None:
        """Updates the state of one parameter with its values ``before`` and after the update."""

    def finish(self) -> dict[str, Tensors]:
        """Returns the tensors for the next step."""
        raise NotImplementedError

    def importance(self, carried: dict[str, Tensors], name: str) -> Tensor | None:
        """Returns a parameter's importance from what :meth:`finish` returned; None if it has none."""
        raise NotImplementedError

    def before_train(self, runner: Runner) -> None:
        """Prepares the state and the penalty, and registers hooks of the optimizer.

        Raises:
            ConfigError: If the optimizer hides the gradients.
        """
        optimizer = find_optimizer(runner)
        model = unwrap(runner.model)
        self.parameters = {name: p for name, p in model.segmentor.named_parameters() if p.requires_grad}
        with torch.no_grad():
            self._prepare(model)
        if not self.stiffness and not model.step.is_base:
            runner.logger.warning(
                f'{type(self).__name__}: the previous step left no importance of parameters (it was '
                f'trained without this method), so this step has no penalty.'
            )
        self._handles = [optimizer.register_step_pre_hook(self._before), optimizer.register_step_post_hook(self._after)]

    def _prepare(self, model: Any) -> None:
        carried = {} if model.previous is None else model.previous.slot(f'hooks.{type(self).__name__}')
        known = self._known = {kind: self._placed(tensors) for kind, tensors in carried.items()}
        # New rows of a grown parameter have no importance yet: they are free.
        self.carried = {
            kind: {name: self._fitting(name, tensor) for name, tensor in tensors.items()}
            for kind, tensors in known.items()
        }
        self.start = {name: p.detach().clone() for name, p in self.parameters.items()}
        self.running = self.initial()
        if self._loaded is not None:
            self.updates = self._loaded['updates']
            self.start = self._placed(self._loaded['start'])
            self.running = {kind: self._placed(tensors) for kind, tensors in self._loaded['state'].items()}
            self._loaded = None
        found = {name: self.importance(known, name) for name in self.parameters}
        self.stiffness = {
            name: 2 * self.weight * self._fitting(name, value) for name, value in found.items() if value is not None
        }
        self._stiffest = {name: float(value.max()) for name, value in self.stiffness.items()}

    def _fitting(self, name: str, tensor: Tensor) -> Tensor:
        return padded(tensor, self.parameters[name].shape)

    def _placed(self, tensors: Tensors) -> Tensors:
        return {
            name: tensor.to(self.parameters[name].device)
            for name, tensor in tensors.items()
            if name in self.parameters
            # Rows of future classes become fewer as these arrive; the rest are still free.
            and len(tensor) <= len(self.parameters[name])
        }

    @torch.no_grad()
    def _before(self, optimizer: Optimizer, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        self.updates += 1
        rates = {id(p): group['lr'] for group in optimizer.param_groups for p in group['params']}
        self._used = {}
        for name, parameter in self.parameters.items():
            if parameter.grad is None:
                continue
            self.before_update(name, parameter.detach(), parameter.grad)
            if self.uses_update:
                self._used[name] = parameter.grad.clone(), parameter.detach().clone()
            if name in self.stiffness:
                pull = self._pull(name, rates.get(id(parameter), 0.0))
                parameter.grad.addcmul_(pull, parameter - self.start[name])

    def _pull(self, name: str, rate: float) -> Tensor:
        # A stronger pull would carry the parameter past its start in one update, and with momentum ever further.
        excess = rate * self._stiffest[name] > 1
        return self.stiffness[name].clamp(max=1 / rate) if excess else self.stiffness[name]

    @torch.no_grad()
    def _after(self, optimizer: Optimizer, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        for name, (gradient, before) in self._used.items():
            self.after_update(name, self.parameters[name].detach(), gradient, before)
        self._used = {}

    @torch.no_grad()
    def penalty(self) -> float:
        """Returns the value of the penalty now."""
        terms = [
            (pull * (self.parameters[name] - self.start[name]).square()).sum() for name, pull in self.stiffness.items()
        ]
        return float(torch.stack(terms).sum()) / 2 if terms else 0.0

    def after_train_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: dict[str, Any] | None = None,
        outputs: dict[str, Any] | None = None,
    ) -> None:
        """Logs the penalty every ten iterations."""
        if self.stiffness and (self.every_n_train_iters(runner, 10) or not runner.iter):
            runner.message_hub.update_scalar('train/penalty', self.penalty())

    def after_train(self, runner: Runner) -> None:
        """Removes the hooks of the optimizer."""
        for handle in self._handles:
            handle.remove()
        self._handles = []

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict[str, Any]) -> None:
        """Adds the state, for resuming the step."""
        checkpoint[self._key] = {'updates': self.updates, 'start': self.start, 'state': self.running}

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict[str, Any]) -> None:
        """Keeps the state of the checkpoint from which the step is resumed."""
        self._loaded = checkpoint.get(self._key)

    @property
    def _key(self) -> str:
        return f'hook_{type(self).__name__}'

    @torch.no_grad()
    def state(self) -> dict[str, Tensors]:
        """Returns the tensors for the next step."""
        return self.finish()


def find_optimizer(runner: Runner) -> Optimizer:
    """Returns the runner's optimizer, if its updates can be observed.

    Raises:
        ConfigError: If there are several, or if it unscales gradients itself.
    """
    wrapper = runner.optim_wrapper
    if isinstance(wrapper, OptimWrapperDict):
        raise ConfigError(
            'method.hooks: measuring the importance of parameters needs a single optimizer; '
            f'optim_wrapper has {len(wrapper.optim_wrappers)}'
        )
    if hasattr(wrapper, 'loss_scaler') and unscales_by_itself(wrapper.optimizer):
        raise ConfigError(
            'optim_wrapper.optimizer.fused=True with mixed precision hides the gradients from '
            'method.hooks; set it to False'
        )
    return wrapper.optimizer
