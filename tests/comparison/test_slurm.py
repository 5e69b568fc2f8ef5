"""Jobs of Slurm: options, what is handed to sbatch, and jobs of earlier calls. The commands of Slurm are stand-ins."""

from __future__ import annotations

import builtins
import os
import time
from pathlib import Path

import pytest

from mmciss.comparison.slurm import SlurmExecutor, check_slurm, minutes, read_options
from mmciss.comparison.training import Training
from mmciss.errors import ConfigError

submitit = pytest.importorskip('submitit')
SBATCH = """#!/bin/sh
[ -e {folder}/refuse ] && echo 'sbatch: error: invalid partition specified: gup' >&2 && exit 1
echo >> {folder}/count
number=$(wc -l < {folder}/count)
cp "$1" {folder}/script_$number
echo "Submitted batch job $number"
"""
SACCT = """#!/bin/sh
[ -e {folder}/disabled ] && echo 'Slurm accounting storage is disabled' >&2 && exit 1
cat {folder}/states 2>/dev/null
true
"""


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Puts stand-ins for the commands of Slurm on the path; returns the folder of what they are given."""
    folder = tmp_path / 'cluster'
    folder.mkdir()
    for name, text in (('sbatch', SBATCH), ('sacct', SACCT), ('srun', '#!/bin/sh\n'), ('scontrol', '#!/bin/sh\n')):
        (folder / name).write_text(text.format(folder=folder))
        (folder / name).chmod(0o755)
    monkeypatch.setenv('PATH', f'{folder}:/usr/bin:/bin')
    submitit.SlurmJob.watcher.clear()  # job 1 of the test before
    return folder


def make_training(folder: Path) -> Training:
    return Training(('c.py', '--resume'), folder / 'run', (), folder / 'logs' / 'run.log')


def test_a_job_asks_for_what_the_user_wants_and_waits_for_its_base_step(cluster: Path, tmp_path: Path) -> None:
    options = read_options(['partition=gpu', '--gpus-per-node=1', 'time=1-12', 'mem=32GB', 'setup=module load cuda'])
    executor = SlurmExecutor(tmp_path / 'logs', options)
    base = executor.submit('a_base', make_training(tmp_path))
    executor.submit('a', make_training(tmp_path), base)
    first, second = ((cluster / f'script_{number}').read_text().splitlines() for number in (1, 2))
    for line in ('--partition=gpu', '--gpus-per-node=1', '--time=2160', '--mem=32GB', '--job-name=a_base'):
        assert f'#SBATCH {line}' in first
    assert 'module load cuda' in first
    assert not any('dependency' in line for line in first)
    assert '#SBATCH --dependency=afterany:1' in second and '#SBATCH --job-name=a' in second


def test_a_job_of_an_earlier_call_is_found_until_it_has_ended(cluster: Path, tmp_path: Path) -> None:
    executor = SlurmExecutor(tmp_path / 'logs', {'time': 5})
    assert executor.find('a') is None
    (cluster / 'states').write_text('JobID|State|NodeList\n1|PENDING|\n')
    executor.submit('a', make_training(tmp_path))
    found = SlurmExecutor(tmp_path / 'logs', {'time': 5}).find('a')
    assert found is not None and found.job_id == '1' and not executor.is_running(found)
    (cluster / 'states').write_text('JobID|State|NodeList\n1|TIMEOUT|node1\n')
    found._results_timeout_s = 0
    time.sleep(0.01)  # submitit asks sacct once in a millisecond at most
    assert found.done(force_check=True)
    found.paths.stderr.write_text('slurmstepd: error: *** JOB 1 ON node1 CANCELLED DUE TO TIME LIMIT ***\n')
    assert executor.failure(found) == 'TIMEOUT' and 'TIME LIMIT' in executor.output(found)
    assert executor.find('a') is None


def test_a_job_that_slurm_has_forgotten_is_gone(cluster: Path, tmp_path: Path) -> None:
    executor = SlurmExecutor(tmp_path / 'logs', {'time': 5})
    executor.submit('a', make_training(tmp_path))
    assert executor.find('a') is not None, 'sacct may not know it yet'
    os.utime(tmp_path / 'logs' / 'a' / '1_submitted.pkl', (0, 0))
    assert executor.find('a') is None


def test_a_refused_job_names_the_reason(cluster: Path, tmp_path: Path) -> None:
    (cluster / 'refuse').touch()
    with pytest.raises(ConfigError, match='--slurm: sbatch refused a: invalid partition specified: gup'):
        SlurmExecutor(tmp_path / 'logs', {'time': 5}).submit('a', make_training(tmp_path))


@pytest.mark.parametrize(
    ('items', 'message'),
    [
        (['partitoin=gpu', 'time=5'], "--slurm: unknown option 'partitoin'.*Did you mean 'partition'"),
        (['partition', 'time=5'], "--slurm: cannot read 'partition'; give KEY=VALUE"),
        (['partition=', 'time=5'], "--slurm: cannot read 'partition='"),
        (['partition=gpu'], '--slurm: time is missing'),
        (['nodes=2', 'time=5'], "--slurm: unknown option 'nodes'"),
        (['time=soon'], "--slurm time: cannot read 'soon'"),
        (['time=0'], "--slurm time: found '0'"),
    ],
)
def test_wrong_options(items: list[str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        read_options(items)


@pytest.mark.parametrize(
    ('text', 'expected'), [('90', 90), ('10:30', 11), ('12:00:00', 720), ('2-0', 2880), ('1-02:03', 1563), ('0:30', 1)]
)
def test_times_are_read_as_slurm_does(text: str, expected: int) -> None:
    assert minutes(text) == expected


def test_a_machine_without_slurm_is_refused(cluster: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    check_slurm()
    (cluster / 'disabled').touch()
    with pytest.raises(ConfigError, match=r'sacct, which says: Slurm accounting storage is disabled\. --dry-run'):
        check_slurm()
    monkeypatch.setenv('PATH', str(cluster / 'nothing'))
    with pytest.raises(ConfigError, match='sbatch, srun, sacct, scontrol not found; is this a Slurm cluster'):
        check_slurm()


def test_submitit_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    original = builtins.__import__

    def without(name: str, *rest: object) -> object:
        if name == 'submitit':
            raise ImportError(name)
        return original(name, *rest)

    monkeypatch.setattr(builtins, '__import__', without)
    with pytest.raises(ConfigError, match=r"needs submitit; pip install 'mmciss\[slurm\]'"):
        read_options(['time=5'])
