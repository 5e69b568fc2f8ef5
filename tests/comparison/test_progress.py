"""What is known of a run from its folder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from mmciss.comparison.comparison import Progress
from tests.comparison.fake_runs import finish_step, make_run


def log(path: Path, step: int, *lines: Any, begun: str = '20260101_000000') -> None:
    file = path / f'step_{step}' / begun / 'vis_data' / 'scalars.json'
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text('\n'.join(line if isinstance(line, str) else json.dumps(line) for line in lines))


def test_nothing_is_known_of_a_run_that_has_not_begun(tmp_path: Path) -> None:
    row = Progress(make_run(tmp_path / 'a')).row('waiting', 0.0)
    assert (row.done, row.steps, row.iteration, row.loss, row.scores, row.seconds) == (0, 2, None, None, None, None)


def test_iteration_and_loss_are_those_logged_last_by_the_newest_process(tmp_path: Path) -> None:
    run = make_run(tmp_path / 'a')
    log(run.path, 0, {'iter': 9, 'loss': 9.0})
    log(
        run.path, 0, {'iter': 2, 'loss': 1.5}, {'iter': 4, 'loss': 1.25}, {'mIoU': 3.0}, '{"iter": 5,', begun='20260102'
    )
    row = Progress(run).row('running', 0.0)
    assert row.iteration == (4, 10) and row.loss == pytest.approx(1.25)


def test_time_left_counts_all_steps_and_their_tests(tmp_path: Path) -> None:
    run = make_run(tmp_path / 'a')
    progress = Progress(run)
    assert progress.row('running', 0.0).seconds is None
    log(run.path, 0, {'iter': 5, 'loss': 1.0, 'time': 2.0})
    # Two seconds an iteration: 15 are left, and twice 5 images to test, each as long as a third of half an iteration.
    tests = 10 * 2 / 3 / 2
    assert progress.row('running', 100.0).seconds == pytest.approx(15 * 2 + tests), 'however long the start took'
    assert progress.row('running', 102.0).seconds == pytest.approx(15 * 2 + tests - 2)
    assert progress.row('waiting', 102.0).seconds is None
    log(run.path, 0, {'iter': 10, 'loss': 1.0, 'time': 1.0})
    assert progress.row('running', 110.0).seconds == pytest.approx(10 * 2 + tests), 'the mean of all iterations'


def test_scores_are_those_of_the_last_step_that_is_done(tmp_path: Path) -> None:
    run = make_run(tmp_path / 'a')
    finish_step(run.path, 0, confusion=[[5, 0], [0, 5]], sizes=[2], classes=['background', 'disc'])
    progress = Progress(run)
    row = progress.row('running', 0.0)
    assert row.done == 1 and row.scores is not None and row.scores[2] == pytest.approx(100)
    content = dict(confusion=[[4, 1, 0], [1, 4, 0], [0, 5, 0]], sizes=[2, 1], classes=['background', 'disc', 'ring'])
    finish_step(run.path, 1, **content)
    row = progress.row('done', 0.0)
    assert row.done == 2 and row.iteration is None
    assert row.scores == pytest.approx((100 * (4 / 6 + 4 / 11) / 2, 0, 100 * (4 / 6 + 4 / 11) / 3))
