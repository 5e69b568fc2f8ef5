"""Importance by the loss that each parameter saved."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from mmciss.engine.hooks.parameter_importance_hooks import PathImportanceHook
from mmciss.errors import ConfigError
from mmciss.models.step_context import StepState
from tests.engine.hooks.toy_run import Toy, later_toy, leave, toy_runner, train


@pytest.mark.parametrize('options', [{}, dict(gradient='next'), dict(gradient='own')])
def test_is_the_loss_saved_over_the_squared_way(options: dict[str, str]) -> None:
    """By default with the gradient of the update after each move, as MiB's authors released it."""
    hook = PathImportanceHook(**options)
    trace = train(hook, toy_runner(Toy()), range(5))
    for name, score in hook.state()['score'].items():
        moves = [before - after for before, _, after in (update[name] for update in trace)]
        gradients = [update[name][1] for update in trace]
        if options.get('gradient') == 'own':
            path = sum(g * move for g, move in zip(gradients, moves, strict=True))
        else:
            path = sum(g * move for g, move in zip(gradients[1:], moves[:-1], strict=True))
        way = trace[-1][name][2] - trace[0][name][0]
        torch.testing.assert_close(score, (path / (way**2 + 1e-20)).clamp(min=0))


def test_another_gradient_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"PathImportanceHook\.gradient.*'last'.*next, own"):
        PathImportanceHook(gradient='last')


def test_scores_of_the_steps_before_are_added(tmp_path: Path) -> None:
    base, first = Toy(), PathImportanceHook()
    train(first, toy_runner(base), range(3))
    old = first.state()['score']
    model = later_toy(base, leave(first, base, tmp_path))
    second, alone = PathImportanceHook(weight=0.0), PathImportanceHook(weight=0.0)
    train(second, toy_runner(model), range(3))
    free = later_toy(base, StepState(tmp_path / 'model.pth', tmp_path / 'none.pth'))
    train(alone, toy_runner(free), range(3))
    for name, score in second.state()['score'].items():
        torch.testing.assert_close(score, alone.state()['score'][name] + old.get(name, 0))
