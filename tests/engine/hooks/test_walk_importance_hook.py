"""Importance by loss saved per distance."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from mmciss.engine.hooks.parameter_importance_hooks import WalkImportanceHook
from mmciss.errors import ConfigError
from mmciss.functional import normalise_importance
from tests.engine.hooks.toy_run import Toy, later_toy, leave, toy_runner, train


@pytest.mark.parametrize('updates', [10, 11, 401])
def test_scores_are_the_release_s(updates: int) -> None:
    """Stretches end at updates 11, 21, ... and are divided by what the updates before them measured."""
    hook = WalkImportanceHook()
    trace = train(hook, toy_runner(Toy()), range(updates))
    state = hook.state()
    assert any(score.any() for score in state['score'].values()) == (updates > 10)
    for name, score in state['score'].items():
        fisher, expected, noted = torch.ones_like(score), torch.zeros_like(score), None
        for count, (now, gradient, _) in enumerate((update[name] for update in trace), start=1):
            if count in range(1, 402, 10):
                if noted is not None:
                    expected += gradient * (noted - now) / (0.5 * fisher * (now - noted) ** 2 + 1e-8)
                noted = now
            fisher = 0.9 * gradient**2 + 0.1 * fisher
        expected = expected.clamp(min=0)
        torch.testing.assert_close(state['fisher'][name], fisher)
        torch.testing.assert_close(score, expected)
        spread = (expected - expected.min()) / (expected.max() - expected.min() + 1e-8)
        torch.testing.assert_close(normalise_importance(score), spread, rtol=0, atol=6e-9)


def test_stretches_need_a_length() -> None:
    with pytest.raises(ConfigError, match=r'WalkImportanceHook\.stretch.*found 0'):
        WalkImportanceHook(stretch=0)


def test_score_is_averaged_with_the_one_before(tmp_path: Path) -> None:
    base, first = Toy(), WalkImportanceHook(stretch=2)
    train(first, toy_runner(base), range(4))
    old = first.state()['score']
    model = later_toy(base, leave(first, base, tmp_path))
    second = WalkImportanceHook(weight=0.0, stretch=2)
    train(second, toy_runner(model), range(4))
    for name, score in second.state()['score'].items():
        expected = second.running['score'][name].clamp(min=0)
        torch.testing.assert_close(score, (expected + old[name]) / 2 if name in old else expected)


def test_importance_is_the_sum_of_both_parts() -> None:
    hook = WalkImportanceHook(stretch=2)
    train(hook, toy_runner(Toy()), range(4))
    state = hook.state()
    expected = sum(normalise_importance(state[kind]['second.bias']) for kind in ('fisher', 'score'))
    torch.testing.assert_close(hook.importance(state, 'second.bias'), expected)
    assert hook.importance({'fisher': state['fisher']}, 'second.bias') is None
