"""Importance by the loss that each parameter saved."""
from __future__ import annotations

from pathlib import Path

import torch

from mmciss.engine.hooks.path_importance_hook import PathImportanceHook
from tests.engine.hooks.toy_run import Toy, later_toy, leave, toy_runner, train


def test_is_the_loss_saved_over_the_squared_way() -> None:
    hook = PathImportanceHook()
    trace = train(hook, toy_runner(Toy()), range(5))
    for name, score in hook.method_state()['score'].items():
        path = sum(gradient * (before - after)
                   for before, gradient, after in (update[name] for update in trace))
        way = trace[-1][name][2] - trace[0][name][0]
        torch.testing.assert_close(score, (path / (way**2 + 1e-20)).clamp(min=0))


def test_scores_of_the_steps_before_are_added(tmp_path: Path) -> None:
    base, first = Toy(), PathImportanceHook()
    train(first, toy_runner(base), range(3))
    old = first.method_state()['score']
    model = later_toy(base, leave(first, base, tmp_path))
    second, alone = PathImportanceHook(weight=0.0), PathImportanceHook(weight=0.0)
    train(second, toy_runner(model), range(3))
    free = later_toy(base, {'model': '', 'state': str(tmp_path / 'none.pth')})
    train(alone, toy_runner(free), range(3))
    for name, score in second.method_state()['score'].items():
        torch.testing.assert_close(score, alone.method_state()['score'][name] + old.get(name, 0))
