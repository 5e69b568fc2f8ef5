"""Runs a comparison: every run once, each base step once."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from functools import lru_cache
from pathlib import Path
from typing import Any

from mmciss.comparison.plan import Run, Task, lenders, plan_tasks
from mmciss.comparison.training import Executor, Training
from mmciss.engine.display import Display
from mmciss.engine.display.rows import Row
from mmciss.engine.runner.run_folder import RunFolder
from mmciss.errors import ConfigError
from mmciss.evaluation.failed_runs import forget_failure, write_failure
from mmciss.evaluation.scores import headline_scores
from mmciss.utils.files import read_json

TAIL = 1 << 14
"""So many bytes at the end of a file hold its last line."""
LOOK = 10.0
"""Seconds between two looks at what other processes work on."""


class Progress:
    """Follows a run: the results of its steps, and the scalars that mmengine logs.

    Args:
        run: The run.
    """

    def __init__(self, run: Run) -> None:
        self.run = run
        self._left = run.time_left()
        self._seen: tuple[int, int] | None = None
        self._row: Row | None = None

    def row(self, state: str, now: float) -> Row:
        """Returns the row of the run.

        Args:
            state: What the run is doing, in a word.
            now: The time in seconds.
        """
        if self._row is not None and self._row.state == state != 'running':
            return self._row  # shared file systems are slow
        self._row = self._read(state, now)
        return self._row

    def _read(self, state: str, now: float) -> Row:
        done = next((step for step in range(self.run.steps) if not self._result(step).exists()), self.run.steps)
        scalars = self._scalars(done) if done < self.run.steps else {}
        iteration = int(scalars.get('iter', 0))
        return Row(
            name=self.run.name,
            labels=self.run.labels,
            state=state,
            done=done,
            steps=self.run.steps,
            iteration=(iteration, self.run.iterations[done]) if iteration else None,
            loss=scalars.get('loss'),
            scores=_scores(self._result(done - 1), _changed(self._result(done - 1))) if done else None,
            seconds=self._seconds(done, scalars, now) if state == 'running' else None,
        )

    def _result(self, step: int) -> Path:
        return self.run.folder.step(step) / 'result.json'

    def _scalars(self, step: int) -> Mapping[str, Any]:
        """Returns what was logged last in training a step, by the newest process that worked on it."""
        paths = sorted(self.run.folder.step(step).glob('2*/vis_data/scalars.json'))
        for line in reversed(_last_lines(paths[-1]) if paths else []):
            try:
                found = json.loads(line)
            except json.JSONDecodeError:
                continue  # half written, or the first of the lines that were read
            if isinstance(found, dict) and 'loss' in found and 'iter' in found:
                return found
        return {}

    def _seconds(self, step: int, scalars: Mapping[str, Any], now: float) -> float | None:
        if step == self.run.steps:
            return None
        iteration = int(scalars.get('iter', 0))
        if iteration and self._seen != (step, iteration):
            if self._seen is None or self._seen[0] != step:
                self._left.begin(step, now - iteration * float(scalars.get('time', 0)))
            self._left.iterated(iteration, now)
            self._seen = step, iteration
        return self._left.seconds(now)


def _last_lines(path: Path) -> list[str]:
    with open(path, 'rb') as file:
        file.seek(max(0, file.seek(0, os.SEEK_END) - TAIL))
        return file.read().decode('utf-8', 'replace').splitlines()


def _changed(path: Path) -> int:
    return path.stat().st_mtime_ns


@lru_cache(maxsize=1024)
def _scores(path: Path, changed: int) -> tuple[float, float, float] | None:
    """Returns the scores of a step; read again only if its file has ``changed``."""
    result = read_json(path)
    return headline_scores(result) if isinstance(result, dict) and result.get('confusion') else None


class Comparison:
    """Trains what is not finished yet; a base step that several runs share is trained before them.

    What another process is working on is left to it: the same command may be given twice, or on several machines that
    share the folder.

    Args:
        runs: The runs.
        logs: Folder of their logs.
        executor: Where they run.
        display: Shows how far they have come.
    """

    def __init__(self, runs: Sequence[Run], logs: Path, executor: Executor, display: Display) -> None:
        self.runs, self.logs, self.executor, self.display = list(runs), logs, executor, display
        self.failed: dict[str, str] = {}
        self._open: list[Task] = []
        self._jobs: dict[Task, Any] = {}
        self._claims: dict[str, ExitStack] = {}
        self._elsewhere: set[str] = set()
        self._looked = float('-inf')
        self._progress = [Progress(run) for run in self.runs]

    def run(self) -> dict[str, str]:
        """Runs everything.

        Returns:
            Why runs failed, by their names. The ends of their logs are noted in their folders
            (:mod:`mmciss.evaluation.failed_runs`).

        Raises:
            ConfigError: If the executor refuses a training.
        """
        self._open = plan_tasks(self.runs, [run for run in self.runs if not run.is_done()])
        try:
            while self._open:
                self._submit()
                self._look_elsewhere()
                self._show()
                if self._open:
                    self.executor.wait(list(self._jobs.values()))
                self._collect()
            self._show()
        finally:
            self.executor.close()
            for claim in self._claims.values():
                claim.close()
        return self.failed

    def _submit(self) -> None:
        """Submits what can be; what was finished by another process is taken from the list."""
        for task in [task for task in self._open if task not in self._jobs]:
            if task.base_only and task.is_done():
                self._end(task)
            elif len(self._jobs) < self.executor.places and not self._waits(task) and self._claim(task.run):
                if task.is_done():
                    self._end(task)
                    continue
                forget_failure(task.run.path)
                job = self.executor.find(task.name)
                after = None if task.after is None else self._jobs.get(task.after)
                self._jobs[task] = job or self.executor.submit(task.name, self._training(task), after)

    def _look_elsewhere(self) -> None:
        """Finds out, now and then, which of the runs that have no place here other processes work on."""
        if time.monotonic() - self._looked < LOOK:
            return
        self._looked = time.monotonic()
        for run in {task.run.name: task.run for task in self._open}.values():
            if run.name not in self._claims and self._claim(run):
                self._claims.pop(run.name).close()

    def _waits(self, task: Task) -> bool:
        """Whether a task must not be submitted yet because another one has not ended."""
        return task.after in self._open and not (self.executor.queues and task.after in self._jobs)

    def _training(self, task: Task) -> Training:
        bases = tuple(run.path for run in lenders(task.run, self.runs) if run is not task.run)
        return Training(task.arguments, task.run.path, bases, log_file(self.logs, task.run))

    def _claim(self, run: Run) -> bool:
        """Keeps other processes from working on a run; returns whether none does."""
        if run.name in self._claims:
            return True
        with ExitStack() as claim:
            try:
                claim.enter_context(RunFolder(self.logs / run.name).lock())
                if run.path.exists():
                    with run.folder.lock():  # a training without a comparison, or left by one that was killed
                        pass
            except ConfigError:
                self._elsewhere.add(run.name)
                return False
            self._elsewhere.discard(run.name)
            self._claims[run.name] = claim.pop_all()
        return True

    def _collect(self) -> None:
        for task, job in list(self._jobs.items()):
            if not job.done():
                continue
            del self._jobs[task]
            reason = self.executor.failure(job)
            self.failed.pop(task.run.name, None)
            if reason is not None:
                self.failed[task.run.name] = reason
                write_failure(task.run.path, reason, log_file(self.logs, task.run), self.executor.output(job))
            self._end(task)
            if reason is not None and task.base_only:
                self._share_anew(task)

    def _share_anew(self, failed: Task) -> None:
        """Lets another run train a base step: what broke its first owner need not break the next."""
        waiting = [task for task in self._open if task.after is failed and task not in self._jobs]
        self._open = [task for task in self._open if task not in waiting]
        self._open += plan_tasks(self.runs, [task.run for task in waiting if task.run is not failed.run])
        self._release(failed.run)

    def _end(self, task: Task) -> None:
        self._open.remove(task)
        self._release(task.run)

    def _release(self, run: Run) -> None:
        """Gives a run up once nothing of it is left to be done."""
        if run.name in self._claims and not any(task.run is run for task in self._open):
            self._claims.pop(run.name).close()

    def _show(self) -> None:
        now = time.monotonic()
        self.display.rows([progress.row(self._state(progress.run), now) for progress in self._progress])

    def _state(self, run: Run) -> str:
        tasks = [task for task in self._open if task.run is run]
        jobs = [self._jobs[task] for task in tasks if task in self._jobs]
        if not tasks:
            return 'failed' if run.name in self.failed else 'done'
        if run.name in self._elsewhere or any(map(self.executor.is_running, jobs)):
            return 'running'
        return 'queued' if jobs else 'waiting'


def log_file(logs: Path, run: Run) -> Path:
    """Returns where the output of a run goes."""
    return logs / f'{run.name}.log'
