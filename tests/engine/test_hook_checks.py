"""Hooks that would end a run when it starts."""

from __future__ import annotations

from typing import Any

import pytest
from mmengine.hooks import EMAHook, IterTimerHook
from torch import nn

import mmciss.register_all  # noqa: F401
from mmciss.engine.hook_checks import check_averages, check_priority
from mmciss.errors import ConfigError


@pytest.mark.parametrize('priority', ['HIGH', 'very_low', 0, 49, 100])
def test_priorities_that_mmengine_reads(priority: Any) -> None:
    check_priority(dict(priority=priority), IterTimerHook(), 'custom_hooks[0]')
    check_priority({}, IterTimerHook(), 'custom_hooks[0]')


@pytest.mark.parametrize('priority', ['HIHG', 101, 1.5, None])
def test_priorities_that_it_does_not(priority: Any) -> None:
    with pytest.raises(ConfigError, match=r'custom_hooks\[0\].priority: must be one of HIGHEST, .* found'):
        check_priority(dict(priority=priority), IterTimerHook(), 'custom_hooks[0]')


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (dict(momentm=0.1), "custom_hooks.*unexpected keyword argument 'momentm'"),
        (dict(momentum=7), 'custom_hooks.*momentum must be in range'),
        (
            dict(ema_type='ExponentialMovingAverag'),
            "custom_hooks.*nothing is called 'ExponentialMovingAverag'. Did you mean",
        ),
        (dict(begin_iter=5), 'begin_iter: 5, but a step of this run has only 4 iterations'),
    ],
)
def test_averages_that_cannot_be_built(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        check_averages([('custom_hooks[0]', EMAHook(**options))], nn.Linear(2, 2), [6, 4])


def test_averages_that_can() -> None:
    hooks = [('default_hooks.timer', IterTimerHook()), ('custom_hooks[0]', EMAHook(momentum=0.1, begin_iter=4))]
    check_averages(hooks, nn.Linear(2, 2), [6, 4])
