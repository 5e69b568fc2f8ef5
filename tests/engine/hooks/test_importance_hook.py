"""What all measures of importance share: penalty, resuming, mixed precision, several ranks."""

from __future__ import annotations

import copy
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
import torch
from mmengine.optim import OptimWrapper, OptimWrapperDict
from torch.nn.parallel import DistributedDataParallel

from mmciss.engine.hooks.importance_hook import ImportanceHook
from mmciss.engine.hooks.parameter_importance_hooks import FisherImportanceHook, PathImportanceHook, WalkImportanceHook
from mmciss.errors import ConfigError
from mmciss.models.step_context import StepState
from tests.engine.hooks.toy_run import RATE, Toy, inputs, later_toy, leave, task_loss, toy_runner, train
from tests.process_group import run_in_group

HOOKS = [FisherImportanceHook, PathImportanceHook, partial(PathImportanceHook, gradient='own'), WalkImportanceHook]
Kind = Callable[..., ImportanceHook]
SMALL = 0.2 / RATE


def two_steps(kind: Kind, folder: Path, weight: float = SMALL) -> tuple[ImportanceHook, Toy]:
    """Returns the hook and the model of a second step that is about to train."""
    base, hook = Toy(), kind()
    train(hook, toy_runner(base), range(25))
    return kind(weight=weight), later_toy(base, leave(hook, base, folder))


@pytest.mark.parametrize('kind', HOOKS)
def test_base_step_is_not_changed(kind: Kind) -> None:
    watched, alone = Toy(), Toy()
    train(kind(), toy_runner(watched), range(5))
    runner = toy_runner(alone)
    for iteration in range(5):
        runner.optim_wrapper.update_params(task_loss(alone.segmentor, inputs(iteration)))
    assert all(torch.equal(a, b) for a, b in zip(watched.parameters(), alone.parameters(), strict=True))


@pytest.mark.parametrize('kind', HOOKS)
def test_acts_as_the_penalty_in_the_loss(kind: Kind, tmp_path: Path) -> None:
    hook, model = two_steps(kind, tmp_path)
    other = copy.deepcopy(model)
    runner = toy_runner(model)
    train(hook, runner, range(7))
    start = {name: p.detach().clone() for name, p in other.segmentor.named_parameters()}
    known = {name: hook.importance(hook.carried, name) for name in start}
    held = [name for name in start if known[name] is not None]
    assert held == ['first.weight', 'first.bias', 'second.weight', 'second.bias'], 'new layers are free'
    reference, penalties = toy_runner(other), []
    for iteration in range(7):
        parameters = dict(other.segmentor.named_parameters())
        penalty = SMALL * sum((known[name] * (parameters[name] - start[name]).square()).sum() for name in held)
        penalties.append(penalty.item())
        reference.optim_wrapper.update_params(task_loss(other.segmentor, inputs(iteration)) + penalty)
    for found, expected in zip(model.parameters(), other.parameters(), strict=True):
        torch.testing.assert_close(found, expected)
    assert penalties[0] == 0 and penalties[-1] > 0
    assert list(runner.message_hub.scalars) == ['train/penalty']


def test_strong_springs_hold_instead_of_diverging(tmp_path: Path) -> None:
    hook, model = two_steps(FisherImportanceHook, tmp_path, weight=1e6)
    start = {name: p.detach().clone() for name, p in model.segmentor.named_parameters()}
    train(hook, toy_runner(model), range(60))
    moved = {name: (p - start[name]).abs().max().item() for name, p in model.segmentor.named_parameters()}
    assert moved['first.weight'] < 0.2 and moved['third.weight'] < 10
    assert all(torch.isfinite(p).all() for p in model.parameters())


@pytest.mark.parametrize('kind', HOOKS)
@pytest.mark.parametrize('updates', [1, 13])
def test_resumed_step_is_the_same(kind: Kind, updates: int, tmp_path: Path) -> None:
    """Killed after one update too, when what the previous step left still counts most."""
    hook, model = two_steps(kind, tmp_path)
    whole, parts = copy.deepcopy(model), copy.deepcopy(model)
    train(hook, toy_runner(whole), range(updates + 2))
    runner = toy_runner(parts)
    first = kind(weight=SMALL)
    train(first, runner, range(updates))
    checkpoint: dict = {}
    first.before_save_checkpoint(runner, checkpoint)
    torch.save(checkpoint, tmp_path / 'iter.pth')
    second = kind(weight=SMALL)
    second.after_load_checkpoint(runner, torch.load(tmp_path / 'iter.pth', weights_only=True))
    train(second, runner, range(updates, updates + 2))
    for found, expected in zip(parts.parameters(), whole.parameters(), strict=True):
        assert torch.equal(found, expected)
    for kind_name, tensors in hook.state().items():
        for name, tensor in tensors.items():
            assert torch.equal(second.state()[kind_name][name], tensor)


def test_accumulated_gradients_count_once() -> None:
    model, other = Toy(), Toy()
    optimizer = torch.optim.SGD(model.parameters(), lr=RATE, momentum=0.9, nesterov=True)
    runner = toy_runner(model, OptimWrapper(optimizer, accumulative_counts=2))
    hook = FisherImportanceHook()
    hook.before_train(runner)
    for half in inputs(0).chunk(2):
        runner.optim_wrapper.update_params(task_loss(model.segmentor, half))
    expected = FisherImportanceHook()
    train(expected, toy_runner(other), range(1))
    assert hook.updates == 1
    torch.testing.assert_close(hook.running, expected.running)


class ScaledWrapper(OptimWrapper):
    """What AmpOptimWrapper does, on a CPU."""

    def __init__(self, optimizer: torch.optim.Optimizer) -> None:
        super().__init__(optimizer)
        self.loss_scaler = torch.amp.GradScaler('cpu', init_scale=1024.0)

    def backward(self, loss: torch.Tensor, **kwargs: object) -> None:
        self.loss_scaler.scale(loss).backward()
        self._inner_count += 1

    def step(self, **kwargs: object) -> None:
        self.loss_scaler.step(self.optimizer)
        self.loss_scaler.update()


def test_gradients_are_unscaled_and_skipped_updates_are_not_seen() -> None:
    model, other = Toy(), Toy()
    wrapper = ScaledWrapper(torch.optim.SGD(model.parameters(), lr=RATE))
    hook = PathImportanceHook()
    hook.before_train(toy_runner(model, wrapper))
    wrapper.update_params(task_loss(model.segmentor, inputs(0)) * float('inf'))
    assert hook.updates == 0 and not hook.running['path']['first.weight'].any()
    wrapper.update_params(task_loss(model.segmentor, inputs(0)))
    expected = PathImportanceHook()
    train(expected, toy_runner(other, OptimWrapper(torch.optim.SGD(other.parameters(), lr=RATE))), range(1))
    torch.testing.assert_close(hook.running, expected.running)


def both_steps(
    kind: Kind,
    folder: Path,
    part: Callable[[torch.Tensor], torch.Tensor],
    wrap: Callable[[torch.nn.Module], torch.nn.Module],
) -> dict[str, dict]:
    """Trains two steps, the second from what the first left, and returns states and weights."""
    found: dict[str, dict] = {}
    base = model = Toy()
    for step, weight in (('base', 0.0), ('later', SMALL)):
        hook, runner = kind(weight=weight), toy_runner(model)
        wrapped = wrap(model.segmentor)
        hook.before_train(runner)
        for iteration in range(12):
            runner.optim_wrapper.update_params(task_loss(wrapped, part(inputs(iteration))))
        hook.after_train(runner)
        found[step] = {**hook.state(), 'weights': model.segmentor.state_dict()}
        if step == 'base':
            folder.mkdir()
            model = later_toy(base, leave(hook, base, folder))
    return found


def on_rank(rank: int, world: int, folder: str) -> list[dict]:
    """Returns what one of two processes finds, each with half of every batch."""
    return [
        both_steps(kind, Path(folder, f'{rank}_{index}'), lambda x: x.chunk(world)[rank], DistributedDataParallel)
        for index, kind in enumerate(HOOKS)
    ]


def test_two_processes_equal_one(tmp_path: Path) -> None:
    """Over two steps: each process reads what the previous step left and goes on from it."""
    both = run_in_group(on_rank, str(tmp_path))
    torch.testing.assert_close(both[0], both[1], rtol=0, atol=0)
    for index, kind in enumerate(HOOKS):
        alone = both_steps(kind, tmp_path / f'alone_{index}', lambda x: x, lambda module: module)
        # A score is a quotient of sums that nearly cancel; the halves of a batch are added in another order.
        torch.testing.assert_close(both[0][index], alone, rtol=1e-6, atol=1e-9)


def test_a_step_without_importance_trains_freely_and_says_so(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    model = Toy(later=True, previous=StepState(tmp_path / 'model.pth', tmp_path / 'none.pth'))
    hook = FisherImportanceHook()
    train(hook, toy_runner(model), range(2))
    assert not hook.stiffness and 'left no importance' in caplog.text


def test_what_cannot_be_measured_is_refused() -> None:
    model = Toy()
    several = toy_runner(model, OptimWrapperDict(a=OptimWrapper(torch.optim.SGD(model.parameters(), lr=1.0))))
    with pytest.raises(ConfigError, match='single optimizer'):
        FisherImportanceHook().before_train(several)
    wrapper = ScaledWrapper(torch.optim.SGD(model.parameters(), lr=1.0))
    wrapper.optimizer._step_supports_amp_scaling = True
    with pytest.raises(ConfigError, match=r'optim_wrapper\.optimizer\.fused'):
        FisherImportanceHook().before_train(toy_runner(model, wrapper))
    with pytest.raises(ConfigError, match=r'FisherImportanceHook\.weight.*-1'):
        FisherImportanceHook(weight=-1)
