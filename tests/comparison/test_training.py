"""A training in a process of its own."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

import mmciss.cli
from mmciss.comparison.training import Training, output_to
from tests.comparison.fake_runs import finish_step
from tests.processes import start


def make_training(folder: Path) -> Training:
    return Training(('c.py', '--resume'), folder / 'own', (folder / 'a', folder / 'b'), folder / 'logs' / 'own.log')


def test_the_base_step_is_taken_from_whoever_has_it_when_the_training_begins(tmp_path: Path) -> None:
    training = make_training(tmp_path)
    assert training.command() == ['train', 'c.py', '--resume']
    finish_step(tmp_path / 'b', 0)
    assert training.command() == ['train', 'c.py', '--resume', '--base-from', str(tmp_path / 'b')]
    finish_step(tmp_path / 'own', 0)
    assert training.command() == ['train', 'c.py', '--resume']


def test_a_job_appends_its_output_to_the_log_of_the_run_and_fails_with_the_status(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture
) -> None:
    def main(arguments: list[str]) -> int:
        os.write(2, f'{" ".join(arguments)}\n'.encode())
        return 2

    monkeypatch.setattr(mmciss.cli, 'main', main)
    training = make_training(tmp_path)
    for _ in range(2):
        with pytest.raises(RuntimeError, match='exit status 2'):
            training()
    assert training.log.read_text() == 'train c.py --resume\n' * 2
    assert capfd.readouterr() == ('', '')


def test_output_comes_back_after_an_error(tmp_path: Path, capfd: pytest.CaptureFixture) -> None:
    with pytest.raises(SystemExit), output_to(tmp_path / 'log'):
        os.write(1, b'inside\n')
        raise SystemExit(1)
    os.write(1, b'outside\n')
    assert (tmp_path / 'log').read_text() == 'inside\n'
    assert capfd.readouterr().out == 'outside\n'


def test_a_job_can_be_queued_again() -> None:
    pytest.importorskip('submitit')
    training = make_training(Path('x'))
    again = training.checkpoint().function
    assert again == make_training(Path('x')) and not again.leaving and training.leaving


@pytest.mark.parametrize(
    ('error', 'expected'),
    [
        (SystemExit(-1), SystemExit),
        (SyntaxError('what mmengine makes of it while it formats a config'), SystemExit),
        ('UncompletedJobError', RuntimeError),
    ],
)
def test_a_job_that_is_queued_again_leaves_no_result(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException | str, expected: type
) -> None:
    utils = pytest.importorskip('submitit.core.utils')
    training = make_training(tmp_path)

    def main(arguments: list[str]) -> int:
        training.checkpoint()
        raise utils.UncompletedJobError('timed-out too many times') if isinstance(error, str) else error

    monkeypatch.setattr(mmciss.cli, 'main', main)
    with pytest.raises(expected):
        training()


def test_what_a_cluster_unpickles_loads_no_torch() -> None:
    code = 'import sys, mmciss.comparison.training; print("torch" in sys.modules)'
    assert start('-c', code).communicate(timeout=100)[0] == 'False\n'
