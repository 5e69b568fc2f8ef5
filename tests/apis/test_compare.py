"""The command line that compares methods."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import sys
from pathlib import Path
from typing import Any

import pytest

from mmciss.apis import compare as module
from mmciss.apis.compare import main, parse_args, shell_commands
from mmciss.apis.train import parse_args as train_args
from mmciss.comparison.local import LocalExecutor
from mmciss.comparison.plan import Run, plan_runs
from mmciss.comparison.slurm import SlurmExecutor
from mmciss.comparison.training import Training
from mmciss.engine.runner.run_folder import RunFolder
from mmciss.evaluation.failed_runs import write_failure
from tests.comparison.fake_runs import finish_step, make_run
from tests.paths import ROOT
from tests.smoke import SMOKE

CONFIG = str(ROOT / SMOKE)


@pytest.mark.parametrize(
    ('extra', 'message'),
    [
        (['--methods', 'mib', '--vary', 'randomness.seed', '1', '2'], '--vary randomness.seed: use --seeds'),
        (['--methods', 'mib', '--vary', 'steps.later.lr', '-1'], 'mib_lr-1_seed0: steps.later.lr'),
        (['--methods', 'mib', '--choose', 'steps.later.lr', '-1', '0.1'], 'mib_seed0: steps.later.lr'),
        (['--methods', 'mib', '--choose', 'protocol.order', '1', '2'], 'protocol.order: use --orders'),
        (['--methods', 'mib', 'mbi'], "mbi_seed0: --method: unknown method 'mbi'"),
        (['--methods', 'mib', 'mib'], 'two runs would be called mib_seed0'),
        (['--methods', 'mib', '--orders', ''], '--order: is empty'),
        (['--methods', 'mib', '--cfg-options', 'randomness.seed=3'], 'randomness.seed: all runs .*use --seeds'),
        (['--methods', 'mib', '--cfg-options', 'work_dir=x'], 'work_dir: all runs .*use --work-dir'),
        (['--methods', 'mib', '--protocol', '25-1'], 'mib_seed0: protocol.name'),
        (['--methods', 'mib', '--executor', 'slurm'], '--slurm: time is missing'),
    ],
)
def test_wrong_input_ends_before_the_first_run(
    tmp_path: Path, capsys: pytest.CaptureFixture, extra: list, message: str
) -> None:
    pytest.importorskip('submitit')
    assert main([CONFIG, '--work-dir', str(tmp_path / 'all'), *extra]) == 2
    assert re.search(message, capsys.readouterr().err)
    assert not (tmp_path / 'all').exists()


@pytest.mark.parametrize(
    ('extra', 'message'),
    [
        (['--vary', 'steps.later.lr'], '--vary steps.later.lr: needs at least one value'),
        (['--choose', 'steps.later.lr', '1'], '--choose steps.later.lr: needs at least two values'),
        (['--choose', 'steps.later.lr', '1', '2', '--vary', 'a', '1'], 'not allowed with'),
        (['--choose', 'steps.later.lr', '', '2'], '--choose: a value is empty'),
        (['--jobs', '0'], 'at least 1'),
        (['--jobs', '2', '--executor', 'slurm'], '--jobs is for --executor local'),
        (['--slurm', 'time=5'], '--slurm is for --executor slurm'),
        (['--protocol', '15-1', '--protocols', '15-5'], 'not allowed with'),
    ],
)
def test_flags_that_do_not_go_together(extra: list, message: str, capsys: pytest.CaptureFixture) -> None:
    with pytest.raises(SystemExit):
        parse_args([CONFIG, '--methods', 'mib', '--work-dir', 'x', *extra])
    assert message in capsys.readouterr().err


def test_a_dry_run_has_a_command_per_run_and_base_step_in_order(tmp_path: Path) -> None:
    runs = [make_run(tmp_path / name) for name in 'abc']
    lines = shell_commands(runs)
    commands = [shlex.split(line) for line in lines if not line.startswith('#')]
    assert all(command[:4] == [sys.executable, '-m', 'mmciss', 'train'] for command in commands)
    parsed = [train_args(command[4:]) for command in commands]
    assert [(Path(args.work_dir).name, args.steps) for args in parsed] == [
        ('a', '0'),
        ('a', None),
        ('b', None),
        ('c', None),
    ]
    assert [args.base_from and Path(args.base_from).name for args in parsed] == [None, None, 'a', 'a']
    for step in (0, 1):
        finish_step(tmp_path / 'b', step)
    lines = shell_commands(runs)
    assert lines[0].startswith('# 1 of 3 runs are done.') and len(lines) == 3
    assert all(line.endswith(f'--base-from {tmp_path / "b"}') for line in lines[1:])


def test_a_dry_run_prints_commands_and_starts_nothing(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    arguments = [CONFIG, '--methods', 'finetuning', 'mib', '--work-dir', str(tmp_path / 'all'), '--dry-run']
    assert main(arguments) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len([line for line in lines if ' -m mmciss train ' in line]) == 3
    assert not (tmp_path / 'all').exists()


def test_what_is_chosen_stays_and_is_chosen_before_anything_counts(
    tmp_path: Path, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A value whose run fails is not chosen, nor is one that turns out to be better later."""
    right = {'0.01': 5, '0.1': None}
    ran: list[list[str]] = []

    def run_all(options: Any, chosen: Any, display: Any, only: Any = None) -> tuple[list[Run], int]:
        runs = plan_runs(options, chosen, only)
        ran.append([run.name for run in runs])
        for run in runs if chosen is None else []:
            pixels = right[run.labels['steps.later.lr']]
            if pixels is None:
                write_failure(run.path, 'killed', tmp_path / 'log', '')
            for step in range(run.steps if pixels else 0):
                confusion = [[pixels, 10 - pixels], [10 - pixels, pixels]] if step else [[10]]
                finish_step(run.path, step, confusion=confusion, sizes=[1, 1][: step + 1])
        return runs, sum(right[run.labels['steps.later.lr']] is None for run in runs)

    monkeypatch.setattr(module, '_run_all', run_all)
    folder = str(tmp_path / 'all')
    arguments = [CONFIG, '--work-dir', folder, '--methods', 'mib', '--choose', 'steps.later.lr', '0.01', '0.1']
    assert main(arguments) == 1, 'a run failed'
    assert ran == [['mib_lr0.01_seed0', 'mib_lr0.1_seed0'], ['mib_seed0']]
    assert '  mib  0.01: 33.3 *   0.1: –' in capsys.readouterr().out
    right['0.1'] = 9
    assert main([*arguments, '--seeds', '1', '0']) == 0
    assert ran[2:] == [['mib_seed1', 'mib_seed0']], 'nothing is chosen anew'
    assert main([*arguments, '--dry-run']) == 0
    assert ' steps.later.lr=0.01' in capsys.readouterr().out.splitlines()[-1]

    (tmp_path / 'all' / 'choice' / 'chosen.json').unlink()
    finish_step(tmp_path / 'all' / 'mib_seed0', 0)
    assert main(arguments) == 2 and len(ran) == 3, 'refused before the choice is run'
    assert str(tmp_path / 'all' / 'mib_seed0') in capsys.readouterr().err

    right.update({'0.01': None, '0.1': None})
    assert main([*arguments[:2], str(tmp_path / 'none'), *arguments[3:]]) == 1
    assert ran[3:] == [['mib_lr0.01_seed0', 'mib_lr0.1_seed0']]
    assert 'error: mib: no run of the choice was finished' in capsys.readouterr().err


@pytest.mark.slow
def test_a_value_is_chosen_before_the_runs_that_count(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    key = 'steps.later.lr'
    arguments = [CONFIG, '--work-dir', str(tmp_path), '--methods', 'mib', '--choose', key, '1e30', '1e-5']
    assert main([*arguments, '--dry-run']) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len([line for line in lines if 'protocol.holdout=0.2' in line]) == 3 and 'same command again' in lines[-1]
    assert main(arguments) == 1, 'one rate is too high'
    out, err = capsys.readouterr()
    assert 'error: mib_lr1e30_seed0 failed' in err
    assert re.search(r'^  mib +1e30: –   1e-5: \d+\.\d \*$', out, re.MULTILINE)
    chosen = json.loads((tmp_path / 'mib_seed0' / 'run.json').read_text())['experiment']
    assert chosen['steps']['later']['lr'] == 1e-5 and not chosen['protocol']['holdout']
    held_out = json.loads((tmp_path / 'choice' / 'mib_lr1e-5_seed0' / 'run.json').read_text())['experiment']
    assert held_out['protocol']['holdout'] == 0.2
    (problem,) = json.loads((tmp_path / 'merged_report' / 'report.json').read_text())
    assert [row['method'] for row in problem['rows']] == ['MiB'] and not problem['held_out']
    assert main(arguments) == 0, 'what was chosen stays, and the failed run is not tried again'
    assert main([CONFIG, '--work-dir', str(tmp_path), '--methods', 'mib', '--choose', key, '0.1', '0.2']) == 2


@pytest.mark.slow
def test_two_methods_become_one_report_and_a_third_is_added(
    tmp_path: Path, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = [CONFIG, '--work-dir', str(tmp_path), '--jobs', '2', '--methods', 'finetuning', 'mib']
    assert main(arguments) == 0
    out = capsys.readouterr().out
    assert '2 runs, 1 base step,' in out and 'Fine-tuning' in out and 'MiB' in out
    assert re.search(r'^mib_seed0: done, 2 of 2 steps done, mIoU old \d', out, re.MULTILINE)
    assert len(out.splitlines()) < 40
    (problem,) = json.loads((tmp_path / 'merged_report' / 'report.json').read_text())
    assert {row['method'] for row in problem['rows']} == {'Fine-tuning', 'MiB'}
    first, second = (RunFolder(tmp_path / name).result(0) for name in ('finetuning_seed0', 'mib_seed0'))
    assert first['sha256'] == second['sha256'], 'the base step was trained once'

    started = []
    original = LocalExecutor.submit

    def submit(self: LocalExecutor, name: str, training: Training, after: None = None) -> Any:
        started.append((name, training.command()[-2:]))
        return original(self, name, training, after)

    monkeypatch.setattr(LocalExecutor, 'submit', submit)
    assert main([*arguments, 'lwf']) == 0
    base = str(tmp_path / 'finetuning_seed0')
    assert started == [('lwf_seed0', ['--base-from', base])], 'finished runs are not run again'
    assert main([*arguments[:-2], 'lwf']) == 0
    (problem,) = json.loads((tmp_path / 'merged_report' / 'report.json').read_text())
    assert len(problem['rows']) == 3, 'runs of earlier calls stay in the report'
    assert main([*arguments, '--cfg-options', 'steps.later.lr=0.5']) == 2
    assert 'finetuning_seed0 belongs to a different experiment' in capsys.readouterr().err


@pytest.mark.slow
def test_a_failed_run_is_listed_with_the_end_of_its_log(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    arguments = [CONFIG, '--work-dir', str(tmp_path), '--methods', 'mib', '--cfg-options', 'steps.later.lr=1e30']
    assert main(arguments) == 1
    out, err = capsys.readouterr()
    assert 'mib_seed0: failed, 1 of 2 steps done' in out
    assert f'error: mib_seed0 failed (exit status 1), see {tmp_path / "logs" / "mib_seed0.log"}\n    ' in err
    assert re.search('^    error: .*loss', err, re.MULTILINE), 'what training said last'
    assert 'no run is complete, so there is no report' in out and not (tmp_path / 'merged_report').exists()
    assert 'Traceback' not in err


class Cluster(SlurmExecutor):
    """Submits to submitit's local executor, which queues nothing."""

    queues = False

    def _submitit(self, name: str) -> Any:
        import submitit

        executor = submitit.LocalExecutor(self.folder / name)
        executor.update_parameters(timeout_min=30)
        executor.job_class._results_timeout_s = 1
        return executor


@pytest.mark.slow
def test_jobs_of_submitit_are_collected_and_a_killed_one_is_continued(
    tmp_path: Path, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip('submitit')
    submitted: list[str] = []

    class Killing(Cluster):
        def submit(self, name: str, training: Training, after: Any | None = None) -> Any:
            submitted.append(name)
            return super().submit(name, training, after)

        def wait(self, jobs: Any) -> None:
            super().wait(jobs)
            run = tmp_path / 'mib_seed0'
            if submitted.count('mib_seed0') == 1 and (run / 'step_1').exists() and not (tmp_path / 'killed').exists():
                os.kill(int((run / '.lock').read_text()), signal.SIGKILL)
                (tmp_path / 'killed').touch()

    monkeypatch.setattr(module, 'make_executor', lambda options: Killing(tmp_path / 'logs', {}))
    arguments = [CONFIG, '--work-dir', str(tmp_path), '--methods', 'finetuning', 'mib']
    assert main(arguments) == 1
    out, err = capsys.readouterr()
    assert 'finetuning_seed0: done, 2 of 2 steps done' in out and 'mib_seed0: failed' in out
    assert 'error: mib_seed0 failed (' in err and 'step 1/2, iteration' not in err.partition('mib_seed0')[0]
    assert submitted == ['finetuning_seed0_base', 'finetuning_seed0', 'mib_seed0']
    assert main(arguments) == 0
    assert submitted[3:] == ['mib_seed0'], 'what is done is not run again'
    assert 'Step 0 was copied' in (tmp_path / 'logs' / 'mib_seed0.log').read_text()
    (problem,) = json.loads((tmp_path / 'merged_report' / 'report.json').read_text())
    assert {row['method'] for row in problem['rows']} == {'Fine-tuning', 'MiB'}
