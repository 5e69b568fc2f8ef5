"""The command line that compares methods."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from mmciss.apis import compare as module
from mmciss.apis.compare import Comparison, Run, main, parse_args, plan_runs, start_training
from mmciss.engine.runner.run_folder import RunFolder
from tests.paths import ROOT
from tests.smoke import SMOKE

CONFIG = str(ROOT / SMOKE)


def test_methods_and_seeds_share_the_base_steps_that_are_equal(tmp_path: Path) -> None:
    runs = plan_runs(
        parse_args([CONFIG, '--methods', 'finetuning', 'mib', 'ssul', '--seeds', '0', '1', '--work-dir', str(tmp_path)])
    )
    assert [run.name for run in runs] == [
        'finetuning_seed0',
        'finetuning_seed1',
        'mib_seed0',
        'mib_seed1',
        'ssul_seed0',
        'ssul_seed1',
    ]
    base = {run.name: run.base for run in runs}
    assert base['finetuning_seed0'] == base['mib_seed0'] != base['mib_seed1']
    assert base['ssul_seed0'] not in (base['mib_seed0'], base['ssul_seed1'])
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ('extra', 'message'),
    [
        (['--methods', 'mib', 'mbi'], "mbi_seed0: --method: unknown method 'mbi'"),
        (['--methods', 'mib', 'mib'], 'two runs would be called mib_seed0'),
        (['--methods', 'mib', '--orders', ''], '--order: is empty'),
        (['--methods', 'mib', '--cfg-options', 'randomness.seed=3'], 'randomness.seed: all runs .*use --seeds'),
        (['--methods', 'mib', '--cfg-options', 'work_dir=x'], 'work_dir: all runs .*use --work-dir'),
        (['--methods', 'mib', '--protocol', '25-1'], 'mib_seed0: protocol.name'),
    ],
)
def test_wrong_input_ends_before_the_first_run(
    tmp_path: Path, capsys: pytest.CaptureFixture, extra: list, message: str
) -> None:
    assert main([CONFIG, '--work-dir', str(tmp_path / 'all'), *extra]) == 2
    assert re.search(message, capsys.readouterr().err)
    assert not (tmp_path / 'all').exists()


@pytest.mark.slow
def test_two_methods_become_one_report_and_a_third_is_added(
    tmp_path: Path, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = [CONFIG, '--work-dir', str(tmp_path), '--jobs', '2', '--methods', 'finetuning', 'mib']
    assert main(arguments) == 0
    out = capsys.readouterr().out
    assert '2 runs, 1 base step,' in out and 'Fine-tuning' in out and 'MiB' in out
    (problem,) = json.loads((tmp_path / 'merged_report' / 'report.json').read_text())
    assert {row['method'] for row in problem['rows']} == {'Fine-tuning', 'MiB'}
    first, second = (RunFolder(tmp_path / name).result(0) for name in ('finetuning_seed0', 'mib_seed0'))
    assert first['sha256'] == second['sha256'], 'the base step was trained once'

    started = []

    def start(config: str, work_dir: Path, run: Run, base: Path | None, place: int) -> object:
        started.append((run.name, base and base.name))
        return start_training(config, work_dir, run, base, place)

    monkeypatch.setattr(module, 'start_training', start)
    assert main([*arguments, 'lwf']) == 0
    assert started == [('lwf_seed0', 'finetuning_seed0')], 'finished runs are not run again'
    assert main([*arguments[:-2], 'lwf']) == 0
    (problem,) = json.loads((tmp_path / 'merged_report' / 'report.json').read_text())
    assert len(problem['rows']) == 3, 'runs of earlier calls stay in the report'
    assert main([*arguments, '--cfg-options', 'steps.later.lr=0.5']) == 2
    assert 'finetuning_seed0 belongs to a different experiment' in capsys.readouterr().err


class Ended:
    """A process that ended."""

    def __init__(self, returncode: int) -> None:
        self.returncode = returncode

    def poll(self) -> int:
        """Returns the exit status."""
        return self.returncode


def test_a_failed_owner_of_a_base_step_does_not_take_the_others_along(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, 'POLL_SECONDS', 0)
    calls = []

    def start(run: Run, base: Path | None, place: int) -> Ended:
        calls.append((run.name, base, place))
        return Ended(int(run.name == 'a'))

    said: list[str] = []
    runs = [Run(name, (), 'same', 2) for name in 'abc']
    comparison = Comparison(runs[:2], tmp_path, start, 1, said.append)
    assert comparison.run() == ['a']
    assert calls == [('a', None, 0), ('b', None, 0)]
    assert said[-1] == 'b: done' and any(line.startswith('a: failed, see') for line in said)


def test_runs_at_the_same_time_take_different_gpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    monkeypatch.setattr(
        module.subprocess, 'Popen', lambda command, env, **options: seen.append((command, env['CUDA_VISIBLE_DEVICES']))
    )
    monkeypatch.setenv('CUDA_VISIBLE_DEVICES', '3,5')
    for place in range(3):
        start_training(CONFIG, tmp_path, Run('mib_seed0', ('--seed', '0'), 'same', 2), tmp_path / 'base', place)
    assert [device for _, device in seen] == ['3', '5', '3']
    assert seen[0][0][-5:] == ['--resume', '--seed', '0', '--base-from', str(tmp_path / 'base')]
