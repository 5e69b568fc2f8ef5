"""Importance by squared gradients."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from mmciss.engine.hooks.importance_hook import ImportanceHook
from mmciss.engine.hooks.parameter_importance_hooks import FisherImportanceHook, WalkImportanceHook
from mmciss.utils.files import save_tensors
from tests.engine.hooks.toy_run import Toy, later_toy, leave, toy_runner, train


def test_is_the_running_mean_of_squared_gradients() -> None:
    hook = FisherImportanceHook(rate=0.7)
    trace = train(hook, toy_runner(Toy()), range(4))
    for name, fisher in hook.state()['fisher'].items():
        expected = torch.ones_like(fisher)
        for update in trace:
            expected = 0.7 * update[name][1] ** 2 + 0.3 * expected
        torch.testing.assert_close(fisher, expected)


@pytest.mark.parametrize('kind', [FisherImportanceHook, WalkImportanceHook])
def test_goes_on_from_the_step_before(kind: type[ImportanceHook], tmp_path: Path) -> None:
    """And starts at one where that had nothing: a new layer, new parts of an old one."""
    base, first = Toy(), kind()
    train(first, toy_runner(base), range(2))
    previous = leave(first, base, tmp_path)
    old = first.state()['fisher']
    state = torch.load(previous.state, weights_only=True)
    for tensors in state['hooks'][kind.__name__].values():
        tensors['first.weight'] = tensors['first.weight'][:, :2]
    save_tensors(previous.state, state)
    second = kind(weight=0.0)
    trace = train(second, toy_runner(later_toy(base, previous)), range(1))
    for name, fisher in second.state()['fisher'].items():
        before = old.get(name, torch.ones_like(fisher)).clone()
        if name == 'first.weight':
            before[:, 2] = 1
        torch.testing.assert_close(fisher, 0.9 * trace[0][name][1] ** 2 + 0.1 * before)
    assert 'third.weight' in second.state()['fisher']


def test_importance_reaches_from_zero_to_one() -> None:
    hook = FisherImportanceHook()
    train(hook, toy_runner(Toy()), range(4))
    found = hook.importance(hook.state(), 'first.weight')
    assert found.min() == 0 and 0.9 < found.max() <= 1
    assert hook.importance({}, 'first.weight') is None
