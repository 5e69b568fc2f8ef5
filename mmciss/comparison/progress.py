"""How far a run has come, from what it writes into its folder; by whichever process or machine."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from mmciss.comparison.run import Run
from mmciss.engine.display.rows import Row
from mmciss.evaluation.scores import headline_scores
from mmciss.utils.files import read_json

TAIL = 1 << 14
"""So many bytes at the end of a file hold its last line."""


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
