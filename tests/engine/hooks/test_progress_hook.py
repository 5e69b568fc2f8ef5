"""Progress of the whole protocol, in one line."""

from __future__ import annotations

import logging
from types import SimpleNamespace

import pytest
from torch import nn

from mmciss.engine.hooks.progress_hook import ProgressHook, progress_line


def test_time_left_counts_the_steps_to_come() -> None:
    line = progress_line('15-1', step=1, iteration=40, iterations=[900, 100, 100, 100], seconds=0.5)
    assert line.startswith('[15-1] step 2/4, iteration 40/100, 0:02:10 left')


def test_last_iteration_and_unknown_speed() -> None:
    assert '0:00:00 left' in progress_line('x', 1, 100, [900, 100], 3.0)
    assert 'time left unknown' in progress_line('x', 0, 0, [10], None)


@pytest.mark.parametrize('frozen', [True, False])
def test_says_how_much_is_frozen(frozen: bool, caplog: pytest.LogCaptureFixture) -> None:
    model = nn.Sequential(nn.Linear(9, 100), nn.Linear(100, 2))
    model[0].requires_grad_(not frozen)
    with caplog.at_level(logging.INFO):
        ProgressHook('x', 1, [9, 9]).before_train(SimpleNamespace(model=model, iter=0, logger=logging.getLogger('toy')))
    assert caplog.messages == ['202 of 1,202 parameters learn in step 1; the others are frozen.'] * frozen
