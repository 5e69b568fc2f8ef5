"""Importance by loss saved per distance."""
from __future__ import annotations

from pathlib import Path

import torch

from mmciss.engine.hooks.walk_importance_hook import WalkImportanceHook
from mmciss.functional import normalise_importance
from tests.engine.hooks.toy_run import Toy, later_toy, leave, toy_runner, train


def test_score_by_stretches() -> None:
    hook = WalkImportanceHook(stretch=3)
    trace = train(hook, toy_runner(Toy()), range(7))
    state = hook.method_state()
    for name, score in state['score'].items():
        fisher, expected, before = torch.ones_like(score), torch.zeros_like(
            score), trace[0][name][0]
        for count, (now, gradient, _) in enumerate((update[name] for update in trace), start=1):
            fisher = 0.9 * gradient**2 + 0.1 * fisher
            if count % 3 == 0:
                expected += gradient * (before - now) / (0.5 * fisher * (now - before)**2 + 1e-8)
                before = now
        torch.testing.assert_close(state['fisher'][name], fisher)
        torch.testing.assert_close(score, expected.clamp(min=0))


def test_score_is_averaged_with_the_one_before(tmp_path: Path) -> None:
    base, first = Toy(), WalkImportanceHook(stretch=2)
    train(first, toy_runner(base), range(4))
    old = first.method_state()['score']
    model = later_toy(base, leave(first, base, tmp_path))
    second = WalkImportanceHook(weight=0.0, stretch=2)
    train(second, toy_runner(model), range(4))
    for name, score in second.method_state()['score'].items():
        expected = second.state['score'][name].clamp(min=0)
        torch.testing.assert_close(score, (expected + old[name]) / 2 if name in old else expected)


def test_importance_is_the_sum_of_both_parts() -> None:
    hook = WalkImportanceHook(stretch=2)
    train(hook, toy_runner(Toy()), range(4))
    state = hook.method_state()
    expected = sum(normalise_importance(state[kind]['second.bias']) for kind in ('fisher', 'score'))
    torch.testing.assert_close(hook.importance(state, 'second.bias'), expected)
    assert hook.importance({'fisher': state['fisher']}, 'second.bias') is None
