"""Running trainings on a Slurm cluster, through submitit."""

from __future__ import annotations

import io
import re
import shutil
import subprocess
import time
from collections.abc import Sequence
from contextlib import redirect_stderr, suppress
from pathlib import Path
from typing import Any

from mmciss.comparison.training import REFRESH, Executor, Training
from mmciss.errors import ConfigError, first_line, unknown_name

FLAG = '--slurm'
OURS = frozenset(
    {'job_name', 'dependency', 'nodes', 'ntasks_per_node', 'num_gpus', 'array_parallelism', 'additional_parameters'}
)
"""Options of submitit that a user cannot set: some are set here, and a run is one process."""
LISTS = ('setup', 'teardown', 'srun_args')
TIME = re.compile(r'(?:(?P<days>\d+)-)?(?P<parts>\d+(?::\d+){0,2})')
FORGOTTEN = 600.0
"""Seconds after which a job is no longer new to ``sacct``: one that it still does not know is gone."""
TIMEOUTS = 20
"""A training that runs out of time goes back into the queue this often, and continues."""


class SlurmExecutor(Executor):
    """Submits every training as a job of Slurm, which goes on without this process.

    Args:
        folder: Folder for submitit's files; all nodes must see it.
        options: What ``sbatch`` is asked for, see :func:`read_options`.
    """

    queues = True

    def __init__(self, folder: Path, options: dict[str, Any]) -> None:
        self.folder, self.options = folder, options

    def submit(self, name: str, training: Training, after: Any | None = None) -> Any:
        """Submits a training; one that waits starts when the other job has ended, however it went."""
        from submitit.core.utils import FailedJobError, FailedSubmissionError

        executor = self._submitit(name)
        dependency = {} if after is None else {'dependency': f'afterany:{after.job_id}'}
        executor.update_parameters(job_name=name, **self.options, **dependency)
        try:
            with redirect_stderr(io.StringIO()):  # submitit prints the reason before it raises
                return executor.submit(training)
        except (FailedJobError, FailedSubmissionError) as error:
            raise ConfigError(f'{FLAG}: sbatch refused {name}: {_reason(error)}') from error

    def find(self, name: str) -> Any | None:
        """Returns the newest job that was submitted under a name, if it is still in the queue or running."""
        paths = sorted((self.folder / name).glob('*_submitted.pkl'), key=lambda path: path.stat().st_mtime)
        if not paths:
            return None
        job = self._submitit(name).job_class(self.folder / name, paths[-1].name.removesuffix('_submitted.pkl'))
        done = job.done(force_check=True)
        forgotten = job.state == 'UNKNOWN' and time.time() - paths[-1].stat().st_mtime > FORGOTTEN
        return None if done or forgotten else job

    def is_running(self, job: Any) -> bool:
        """Whether a job has begun and not ended."""
        return bool(job.state == 'RUNNING')

    def failure(self, job: Any) -> str | None:
        """Returns the state in which a job ended without a result, or the exit status of the training."""
        error = job.exception()
        if error is None:
            return None
        known = re.search(r'exit status \d+|timed-out too many times', str(error))
        return known[0] if known else str(job.state)

    def output(self, job: Any) -> str:
        """Returns what Slurm wrote to the job's own log."""
        return str(job.stderr() or '')

    def wait(self, jobs: Sequence[Any]) -> None:
        """Returns when one of the jobs is done, or after a while."""
        from submitit.helpers import as_completed

        with suppress(TimeoutError):
            next(as_completed(jobs, timeout=REFRESH, poll_frequency=REFRESH), None)

    def _submitit(self, name: str) -> Any:
        import submitit

        return submitit.SlurmExecutor(self.folder / name, max_num_timeout=TIMEOUTS)


def read_options(items: Sequence[str]) -> dict[str, Any]:
    """Reads ``--slurm KEY=VALUE ...``, the options of ``sbatch`` by their long names.

    Raises:
        ConfigError: If submitit is missing, a key is unknown, a value cannot be read, or there is no time limit.
    """
    try:
        import submitit
    except ImportError as error:
        raise ConfigError("--executor slurm: needs submitit; pip install 'mmciss[slurm]'") from error
    allowed = submitit.SlurmExecutor._valid_parameters() - OURS  # the public way to ask is to pass a wrong one
    options: dict[str, Any] = {}
    for item in items:
        key, equals, text = item.partition('=')
        key = key.strip().lstrip('-').replace('-', '_')
        if not equals or not text.strip():
            raise ConfigError(f'{FLAG}: cannot read {item!r}; give KEY=VALUE, such as partition=gpu')
        if key not in allowed:
            raise unknown_name('option', key, allowed, FLAG)
        options[key] = minutes(text) if key == 'time' else [text] if key in LISTS else _value(text)
    if 'time' not in options:
        raise ConfigError(
            f'{FLAG}: time is missing; say how long a job may take, such as time=12:00:00. A run that takes longer '
            f'goes back into the queue and continues'
        )
    return options


def check_slurm() -> None:
    """Refuses a machine from which no job can be submitted and followed.

    Raises:
        ConfigError: Naming the command that is missing or does not work.
    """
    instead = '--dry-run prints the commands for any other scheduler'
    missing = [name for name in ('sbatch', 'srun', 'sacct', 'scontrol') if shutil.which(name) is None]
    if missing:
        raise ConfigError(f'--executor slurm: {", ".join(missing)} not found; is this a Slurm cluster? {instead}')
    answer = subprocess.run(['sacct', '--noheader', '--jobs=1'], check=False, capture_output=True, text=True)
    if answer.returncode:
        raise ConfigError(
            f'--executor slurm: submitit follows jobs with sacct, which says: '
            f'{" ".join(answer.stderr.split()) or f"exit status {answer.returncode}"}. {instead}'
        )


def minutes(text: str) -> int:
    """Reads a time as Slurm does: minutes, ``M:S``, ``H:M:S``, ``D-H``, ``D-H:M`` or ``D-H:M:S``; rounded up.

    Examples:
        >>> minutes('90'), minutes('12:00:00'), minutes('1-12')
        (90, 720, 2160)

    Raises:
        ConfigError: If it is no time, or none at all.
    """
    found = TIME.fullmatch(text.strip())
    if found is None:
        raise ConfigError(f'{FLAG} time: cannot read {text!r}; give minutes, H:M:S, D-H or D-H:M:S')
    parts = [int(part) for part in found['parts'].split(':')]
    if found['days'] is not None:
        parts = [*parts, 0, 0][:3]
    elif len(parts) < 3:
        parts = [0, *parts, 0][:3]
    seconds = ((int(found['days'] or 0) * 24 + parts[0]) * 60 + parts[1]) * 60 + parts[2]
    if not seconds:
        raise ConfigError(f'{FLAG} time: found {text!r}; must be at least a minute')
    return -(-seconds // 60)


def _value(text: str) -> Any:
    return int(text) if text.isdigit() else {'true': True, 'false': False}.get(text.lower(), text)


def _reason(error: Exception) -> str:
    """Returns what ``sbatch`` said, from submitit's account of it."""
    said = re.findall(r'sbatch: error: (.*)', str(error))
    return '; '.join(said) or first_line(error)
