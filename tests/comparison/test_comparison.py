"""Running a comparison: what is submitted when, and what is left to other processes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from mmciss.comparison.comparison import Comparison
from mmciss.comparison.plan import lenders, owner, plan_tasks
from mmciss.comparison.training import Training
from mmciss.engine.display import Display, LineDisplay
from mmciss.engine.runner.run_folder import RunFolder
from mmciss.evaluation.failed_runs import find_failures, read_failure
from tests.comparison.fake_runs import FakeExecutor, FakeJob, finish_step, make_run, trained


def comparison(folder: Path, names: str, executor: FakeExecutor, display: Display | None = None) -> Comparison:
    return Comparison([make_run(folder / name) for name in names], folder / 'logs', executor, display or Display())


def test_a_shared_base_step_comes_first_and_is_trained_once(tmp_path: Path) -> None:
    executor = FakeExecutor(trained)
    assert comparison(tmp_path, 'abc', executor).run() == {}
    assert executor.submitted == [('a_base', False), ('a', False), ('b', False), ('c', False)]


def test_an_executor_that_queues_gets_everything_at_once_in_order(tmp_path: Path) -> None:
    submitted_while_open: list[int] = []

    class Queue(FakeExecutor):
        def wait(self, jobs: list[FakeJob]) -> None:
            submitted_while_open.append(len(jobs))

    executor = Queue(trained, queues=True, places=9)
    assert comparison(tmp_path, 'abc', executor).run() == {}
    # 'a' is finished by its base job here, since jobs end at once; the others wait for it.
    assert [name for name, _ in executor.submitted] == ['a_base', 'a', 'b', 'c']
    assert [after for _, after in executor.submitted] == [False, True, True, True]
    assert submitted_while_open == [4]


def test_finished_runs_and_base_steps_are_not_trained_again(tmp_path: Path) -> None:
    for step in (0, 1):
        finish_step(tmp_path / 'a', step)
    executor = FakeExecutor(trained)
    assert comparison(tmp_path, 'ab', executor).run() == {}
    assert executor.submitted == [('b', False)]
    assert comparison(tmp_path, 'ab', executor).run() == {}
    assert len(executor.submitted) == 1


def test_a_failed_base_step_passes_to_the_next_run(tmp_path: Path) -> None:
    def work(name: str, training: Training) -> str | None:
        return 'exit status 1' if name.startswith('a') else trained(name, training)

    executor = FakeExecutor(work)
    assert comparison(tmp_path, 'abc', executor).run() == {'a': 'exit status 1'}
    assert [name for name, _ in executor.submitted] == ['a_base', 'b_base', 'b', 'c']


def test_a_base_step_whose_model_others_can_take_comes_first(tmp_path: Path) -> None:
    """The closed form can take the model of MiB, but not MiB that of the closed form, which has lost its classifier."""
    plain = [replace(make_run(tmp_path / name), model='m', lends=True) for name in 'cd']
    solved = [replace(make_run(tmp_path / name, base='solved'), model='m') for name in 'ab']
    other = replace(make_run(tmp_path / 'e', base='dkd'))
    runs = [*solved, *plain, other]
    tasks = {task.name: task.after and task.after.name for task in plan_tasks(runs, runs)}
    assert tasks == {'c_base': None, 'a': 'c_base', 'b': 'c_base', 'c': 'c_base', 'd': 'c_base', 'e': None}
    assert len({owner(run, runs).name for run in runs}) == 2
    assert {task.name for task in plan_tasks(solved, solved)} == {'a_base', 'a', 'b'}, 'equal ones share as ever'
    finish_step(tmp_path / 'a', 0)
    assert [run.name for run in lenders(solved[1], runs)] == ['a', 'b', 'c', 'd'], 'whole base steps first'
    assert [run.name for run in lenders(plain[0], runs)] == ['c', 'd']
    finish_step(tmp_path / 'c', 0)
    assert [run.name for run in lenders(solved[1], runs)] == ['a', 'b', 'd'], 'an older version did not say'
    finish_step(tmp_path / 'c', 0, base_training='m')
    assert [run.name for run in lenders(solved[1], runs)] == ['a', 'b', 'c', 'd']
    assert [task.after for task in plan_tasks(runs, runs)] == [None] * 5


@pytest.mark.parametrize('locked', ['logs/a', 'a'], ids=['by a comparison', 'by a training'])
def test_what_another_process_works_on_is_left_to_it(tmp_path: Path, locked: str) -> None:
    lock = RunFolder(tmp_path / locked).lock()
    lines: list[str] = []

    class Waiting(FakeExecutor):
        def wait(self, jobs: list[FakeJob]) -> None:
            if not jobs:  # nothing is left but the run of the other process, which now ends
                finish_step(tmp_path / 'a', 0)
                finish_step(tmp_path / 'a', 1)
                lock.__exit__(None, None, None)

    executor = Waiting(trained)
    with lock:
        runs = [make_run(tmp_path / 'a', 'one'), make_run(tmp_path / 'b', 'two')]
        assert Comparison(runs, tmp_path / 'logs', executor, LineDisplay(lines.append)).run() == {}
        assert executor.submitted == [('b', False)]
    assert lines[0] == 'a: running, 0 of 2 steps done'
    assert lines[-1] == 'a: done, 2 of 2 steps done'


def test_what_another_process_works_on_is_shown_even_without_a_free_place(tmp_path: Path) -> None:
    lock = RunFolder(tmp_path / 'logs' / 'b').lock()
    lines: list[str] = []

    class Busy(FakeExecutor):
        def wait(self, jobs: list[FakeJob]) -> None:
            if not jobs:
                finish_step(tmp_path / 'b', 0)
                finish_step(tmp_path / 'b', 1)
                lock.__exit__(None, None, None)

    runs = [make_run(tmp_path / 'a', 'one'), make_run(tmp_path / 'b', 'two')]
    with lock:
        assert Comparison(runs, tmp_path / 'logs', Busy(trained), LineDisplay(lines.append)).run() == {}
    assert lines[0] == 'b: running, 0 of 2 steps done', 'while the only place is taken by a'
    assert lines[-1] == 'b: done, 2 of 2 steps done'


def test_a_run_is_free_for_others_as_soon_as_it_has_ended(tmp_path: Path) -> None:
    free: list[bool] = []

    def work(name: str, training: Training) -> str | None:
        if name == 'b':
            with RunFolder(tmp_path / 'logs' / 'a').lock():
                free.append(True)
        return trained(name, training)

    runs = [make_run(tmp_path / 'a', 'one'), make_run(tmp_path / 'b', 'two')]
    assert Comparison(runs, tmp_path / 'logs', FakeExecutor(work), Display()).run() == {}
    assert free == [True]


def test_a_job_of_an_earlier_call_is_followed_instead_of_submitted(tmp_path: Path) -> None:
    class Found(FakeExecutor):
        def find(self, name: str) -> FakeJob | None:
            return FakeJob('TIMEOUT') if name == 'a' else None

        def output(self, job: FakeJob) -> str:
            return 'slurmstepd: error: CANCELLED DUE TO TIME LIMIT'

    executor = Found(trained, places=2)
    found = Comparison(
        [make_run(tmp_path / 'a', 'one'), make_run(tmp_path / 'b', 'two')], tmp_path / 'logs', executor, Display()
    )
    assert found.run() == {'a': 'TIMEOUT'}
    assert executor.submitted == [('b', False)]
    assert read_failure(tmp_path / 'a') == {
        'name': 'a',
        'reason': 'TIMEOUT',
        'log': 'logs/a.log',
        'lines': ['slurmstepd: error: CANCELLED DUE TO TIME LIMIT'],
    }


def test_a_failure_is_noted_with_the_end_of_the_log_until_the_run_goes_on(tmp_path: Path) -> None:
    def work(name: str, training: Training) -> str | None:
        training.log.parent.mkdir(exist_ok=True)
        training.log.write_text(''.join(f'line {number}\n\n' for number in range(20)))
        return 'exit status 1'

    assert comparison(tmp_path, 'a', FakeExecutor(work)).run() == {'a': 'exit status 1'}
    note = read_failure(tmp_path / 'a')
    assert note is not None and note['lines'] == [f'line {number}' for number in range(12, 20)]
    assert find_failures([tmp_path], set()) == [note] == find_failures([tmp_path / 'a'], set())
    assert find_failures([tmp_path], {tmp_path / 'a'}) == [], 'it was finished by another command'

    noted: list[bool] = []

    def again(name: str, training: Training) -> str | None:
        noted.append(read_failure(training.path) is not None)
        return trained(name, training)

    assert comparison(tmp_path, 'a', FakeExecutor(again)).run() == {}
    assert noted == [False] and read_failure(tmp_path / 'a') is None


@pytest.mark.parametrize('content', ['', '[]', '{"reason": "x"}', 'half of'])
def test_a_note_that_cannot_be_read_is_no_failure(tmp_path: Path, content: str) -> None:
    (tmp_path / 'failed.json').write_text(content)
    assert read_failure(tmp_path) is None
