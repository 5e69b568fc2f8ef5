"""Importance by squared gradients."""
from __future__ import annotations

import torch

from mmciss.engine.hooks.fisher_importance_hook import FisherImportanceHook
from tests.engine.hooks.toy_run import Toy, toy_runner, train


def test_is_the_running_mean_of_squared_gradients() -> None:
    hook = FisherImportanceHook(rate=0.7)
    trace = train(hook, toy_runner(Toy()), range(4))
    for name, fisher in hook.method_state()['fisher'].items():
        expected = torch.ones_like(fisher)
        for update in trace:
            expected = 0.7 * update[name][1]**2 + 0.3 * expected
        torch.testing.assert_close(fisher, expected)


def test_importance_reaches_from_zero_to_one() -> None:
    hook = FisherImportanceHook()
    train(hook, toy_runner(Toy()), range(4))
    found = hook.importance(hook.method_state(), 'first.weight')
    assert found.min() == 0 and 0.9 < found.max() <= 1
    assert hook.importance({}, 'first.weight') is None
