"""Updates of a small model by hand, as a runner makes them, for hooks that look at parameters."""

from __future__ import annotations

import logging
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
from mmengine.optim import OptimWrapper
from torch import Tensor, nn

from mmciss.engine.hooks.importance_hook import ImportanceHook
from mmciss.models.step_context import StepState
from mmciss.utils.files import save_tensors
from tests.models.tiny import BASE, LATER

RATE = 0.05


class Toy(nn.Module):
    """A wrapper with a segmentor of two layers; a later step has one more."""

    def __init__(self, later: bool = False, previous: StepState | None = None) -> None:
        super().__init__()
        torch.manual_seed(int(later))
        layers: dict[str, nn.Module] = dict(first=nn.Linear(3, 4), second=nn.Linear(4, 2))
        if later:
            layers['third'] = nn.Linear(2, 2)
        self.segmentor = nn.Sequential()
        for name, layer in layers.items():
            self.segmentor.add_module(name, layer.double())
        self.step = LATER if later else BASE
        self.previous = previous


def inputs(iteration: int) -> Tensor:
    """Returns the batch of an iteration, ``(8, 3)``."""
    return torch.randn(8, 3, generator=torch.manual_seed(100 + iteration), dtype=torch.float64)


def task_loss(model: nn.Module, x: Tensor) -> Tensor:
    """Returns the loss of a batch."""
    return (model(x).tanh() - x.mean(1, keepdim=True)).square().mean()


def toy_runner(model: Toy, wrapper: OptimWrapper | None = None) -> SimpleNamespace:
    """Returns what hooks read of a runner."""
    if wrapper is None:
        optimizer = torch.optim.SGD(model.parameters(), lr=RATE, momentum=0.9, nesterov=True)
        wrapper = OptimWrapper(optimizer)
    scalars: dict[str, list[float]] = {}
    hub = SimpleNamespace(scalars=scalars, update_scalar=lambda key, value: scalars.setdefault(key, []).append(value))
    return SimpleNamespace(model=model, optim_wrapper=wrapper, logger=logging.getLogger('toy'), message_hub=hub, iter=0)


def train(
    hook: ImportanceHook, runner: SimpleNamespace, iterations: range, finish: bool = True
) -> list[dict[str, Tensor]]:
    """Makes updates.

    Returns:
        For each update the parameters before it, their gradients of the task's loss, and the
        parameters after it.
    """
    hook.before_train(runner)
    model, trace = runner.model, []
    for iteration in iterations:
        loss = task_loss(model.segmentor, inputs(iteration))
        names, parameters = zip(*model.segmentor.named_parameters(), strict=True)
        gradients = torch.autograd.grad(loss, parameters, retain_graph=True)
        before = [p.detach().clone() for p in parameters]
        runner.optim_wrapper.update_params(loss)
        trace.append(
            {
                name: (b, g, p.detach().clone())
                for name, b, g, p in zip(names, before, gradients, parameters, strict=True)
            }
        )
        runner.iter = iteration
        hook.after_train_iter(runner, iteration)
    if finish:
        hook.after_train(runner)
    return trace


def leave(hook: ImportanceHook, model: Toy, folder: Path) -> StepState:
    """Writes what a finished step leaves."""
    state: dict[str, Any] = {'hooks': {type(hook).__name__: hook.state()}}
    save_tensors(folder / 'state.pth', state)
    return StepState(folder / 'model.pth', folder / 'state.pth')


def later_toy(base: Toy, previous: StepState) -> Toy:
    """Returns the model of the next step, with the weights of the one before where it had any."""
    model = Toy(later=True, previous=previous)
    model.segmentor.load_state_dict(base.segmentor.state_dict(), strict=False)
    return model
