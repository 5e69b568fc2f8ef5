"""Trainings on this machine."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from mmciss.comparison import local
from mmciss.comparison.local import LocalExecutor, environment
from mmciss.comparison.training import Training


class Command(Training):
    """Any command instead of a training."""

    def command(self) -> list[str]:
        """Returns the arguments as they are."""
        return list(self.arguments)


def make_command(folder: Path, name: str, *arguments: str) -> Command:
    return Command(arguments, folder / name, (), folder / 'logs' / f'{name}.log')


def test_output_and_exit_status_of_every_process_are_kept(tmp_path: Path) -> None:
    executor = LocalExecutor(2)
    jobs = [
        executor.submit('good', make_command(tmp_path, 'good', '--version')),
        executor.submit('bad', make_command(tmp_path, 'bad', 'trian')),
    ]
    deadline = time.monotonic() + 100
    while not all(job.done() for job in jobs) and time.monotonic() < deadline:
        executor.wait([job for job in jobs if not job.done()])
    assert [executor.failure(job) for job in jobs] == [None, 'exit status 2']
    assert (tmp_path / 'logs' / 'good.log').read_text().startswith('mmciss ')
    assert "Did you mean 'train'?" in (tmp_path / 'logs' / 'bad.log').read_text()
    executor.close()


def test_what_runs_is_stopped_and_what_waits_is_not_started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / 'sleep'
    program.write_text('#!/bin/sh\nexec sleep 60\n')
    program.chmod(0o755)
    monkeypatch.setattr(local.sys, 'executable', str(program))
    executor = LocalExecutor(1)
    first, second = (executor.submit(name, make_command(tmp_path, name)) for name in ('first', 'second'))
    deadline = time.monotonic() + 60
    while not executor._processes and time.monotonic() < deadline:
        time.sleep(0.01)
    assert executor.is_running(first) and not executor.is_running(second)
    executor.close()
    assert executor.failure(first) == 'killed by signal 15'
    assert second.cancelled()


def test_places_take_the_gpus_in_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv('CUDA_VISIBLE_DEVICES', '3,5')
    assert [environment(place)['CUDA_VISIBLE_DEVICES'] for place in range(3)] == ['3', '5', '3']
