"""Kills runs at random moments, resumes them, and compares the results with an uninterrupted run.

usage: python benchmarks/torture.py [--methods mib plop sdr dkd_m awt] [--kills 8] [--seed 0] [--work-dir DIR]

The moments lie in reading the data, training, validation, writing checkpoints, export, statistics, report.
Half of the kills (SIGKILL, with all children) come at a random time after the start, the other half right after a
random file has appeared, which is when something is being written. Each run is resumed until it ends, and another
follows until there were enough kills. Where a killed run continued is read from its log. Weights, confusion matrices
and the report must equal those of an uninterrupted run, bit by bit. The killed runs are forks of a process that has
imported everything; the uninterrupted one is an ordinary ``tools/train.py``.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import re
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
os.environ.setdefault('OMP_NUM_THREADS', '1')
CONFIG = ROOT / 'configs/shapes/shapes_smoke.py'
MOMENTS = (
    'data/*.unfinished',
    'run.json',
    'step_*/2*',
    'step_*/statistics.pth',
    'step_*/iter_*.pth',
    'step_*/.*.tmp',
    'step_*/model.pth',
    'step_*/state.pth',
    'step_*/samples.npz',
    'step_*/result.json',
    'step_0/memory.json',
    'report.json',
    'figures/*.png',
)
"""What a run writes, in the order of its phases."""


class Forked:
    """A run in a child of this process, which has imported everything already: a start costs no imports."""

    def __init__(self, arguments: list[str], environment: dict[str, str], log: Path) -> None:
        self.returncode: int | None = None
        self.pid = os.fork()
        if self.pid:
            return
        try:
            os.setsid()
            os.environ.update(environment)
            os.chdir(ROOT)
            with open(log, 'ab') as file:
                os.dup2(file.fileno(), 1)
                os.dup2(file.fileno(), 2)
            from mmciss.apis.train import main as train

            status = train(arguments)
            sys.stdout.flush()
        except BaseException:  # the child must never return into the parent's code
            traceback.print_exc()
            sys.stderr.flush()
            status = 1
        os._exit(status or 0)

    def poll(self) -> int | None:
        """Returns the exit status, or None while the run goes on."""
        if self.returncode is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.returncode = os.waitstatus_to_exitcode(status)
        return self.returncode

    def wait(self) -> int:
        """Waits for the end."""
        if self.returncode is None:
            self.returncode = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        return self.returncode


Process = subprocess.Popen | Forked


def start(method: str, folder: Path, resume: bool, fresh: bool = False) -> Process:
    """Starts a run in a group of its own.

    Args:
        method: Name of the method.
        folder: Its work directory.
        resume: Whether to continue.
        fresh: Whether to start ``tools/train.py`` in a new interpreter instead of forking.
    """
    arguments = [
        str(CONFIG),
        '--method',
        method,
        '--work-dir',
        str(folder),
        *(['--resume'] if resume else []),
        '--cfg-options',
        'train_cfg.val_begin=1',
        'train_cfg.val_interval=6',
        'steps.base.iters=12',
        'steps.later.iters=8',
        'default_hooks.checkpoint.interval=1',
    ]
    if method.endswith('_m'):
        arguments.append('method.memory.size=8')
    environment = {
        'OMP_NUM_THREADS': '1',
        'PYTHONPATH': str(ROOT),
        'MMCISS_CACHE': str(folder / 'cache'),
        'MMCISS_SHAPES_SMOKE': str(folder.parent / 'shapes_smoke'),
    }
    path = log_of(folder)
    if not fresh:
        return Forked(arguments, environment, path)
    with open(path, 'ab') as log:
        return subprocess.Popen(
            [sys.executable, str(ROOT / 'tools/train.py'), *arguments],
            env={**os.environ, **environment},
            cwd=ROOT,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def kill(process: Process) -> None:
    """Ends a run and its children with no chance to clean up."""
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def files(folder: Path, pattern: str) -> set[tuple[str, int]]:
    """Returns the files of a moment, with their times."""
    found = set()
    for path in folder.glob(pattern):
        try:
            found.add((str(path), path.stat().st_mtime_ns))
        except OSError:
            continue
    return found


def wait_for(process: Process, folder: Path, moment: str | float) -> bool:
    """Waits for a moment; returns whether the run is still alive then."""
    begin = time.monotonic()
    before = files(folder, moment) if isinstance(moment, str) else set()
    while process.poll() is None:
        if isinstance(moment, str) and files(folder, moment) - before:
            return True
        if not isinstance(moment, str) and time.monotonic() - begin > moment:
            return True
        time.sleep(0.001)
    return False


def outcome(folder: Path) -> dict[str, object]:
    """Returns what must be equal: checksum of the weights and confusion matrix of every step, and the report."""
    results = [json.loads((folder / f'step_{index}/result.json').read_text()) for index in range(2)]
    report = json.loads((folder / 'report.json').read_text())
    steps = {f'step {index}': (result['sha256'], result['confusion']) for index, result in enumerate(results)}
    return {**steps, 'report': without_times(report)}


def without_times(value: object) -> object:
    """Returns a report without durations and folders, which may differ."""
    if isinstance(value, dict):
        return {
            key: without_times(item)
            for key, item in value.items()
            if not any(word in key for word in ('second', 'time', 'folder', 'path', 'work_dir', 'date'))
        }
    return [without_times(item) for item in value] if isinstance(value, list) else value


def log_of(folder: Path) -> Path:
    """Returns the file with the output of all processes of a run."""
    return folder.parent / f'{folder.name}.log'


def continued_at(output: str) -> str:
    """Returns where a resumed process went on: ``step:iteration``, as its output says."""
    loaded = re.search(r'Load checkpoint from \S*/step_(\d+)/iter_(\d+)\.pth', output)
    if loaded:
        return ':'.join(loaded.groups())
    begun = re.search(r'Checkpoints will be saved to \S*/step_(\d+)', output)
    if begun:
        return f'{begun.group(1)}:0'
    return 'report' if 'nothing to train' in output else 'killed again before'


def torture(
    method: str, folder: Path, kills: int, rng: random.Random
) -> tuple[list[str], list[str], int, float, dict[str, bool]]:
    """Kills and resumes runs until that has happened often enough; a run that got to its end is followed by another.

    Returns:
        The moments of the kills, where each killed run continued, the number of runs, the duration of a whole run in
        seconds, and a comparison of all of them with the run that nobody killed: part -> equal.

    Raises:
        RuntimeError: If a run fails by itself.
    """
    whole = folder / f'{method}_whole'
    whole.mkdir(parents=True)
    finish(start(method, whole, False, fresh=True), whole)
    expected = outcome(whole)
    timed = folder / f'{method}_timed'
    timed.mkdir()
    begin = time.monotonic()
    finish(start(method, timed, False), timed)
    duration = time.monotonic() - begin
    same = compare(expected, outcome(timed))
    moments: list[str] = []
    places: list[str] = []
    runs = 0
    while len(moments) < kills:
        runs += 1
        parts = folder / f'{method}_killed_{runs}'
        parts.mkdir()
        killed, continued = kill_until_done(method, parts, kills - len(moments), duration, rng)
        moments += killed
        places += continued
        for key, equal in compare(expected, outcome(parts)).items():
            same[key] = same[key] and equal
    return moments, places, runs, duration, same


def kill_until_done(
    method: str, folder: Path, kills: int, duration: float, rng: random.Random
) -> tuple[list[str], list[str]]:
    """Starts, kills and resumes one run until it ends by itself; after ``kills`` kills it is left alone.

    Returns:
        When it was killed, and where it continued after each kill.
    """
    moments: list[str] = []
    outputs: list[str] = []
    log = log_of(folder)

    def places() -> list[str]:
        return [continued_at(output) for output in outputs[1:]]

    for _ in range(kills):
        begin = log.stat().st_size if log.exists() else 0
        moment: str | float = rng.choice(MOMENTS) if rng.random() < 0.5 else rng.uniform(0, 0.7 * duration)
        process = start(method, folder, (folder / 'run.json').exists())
        alive = wait_for(process, folder, moment)
        if alive:
            kill(process)
        outputs.append(log.read_bytes()[begin:].decode(errors='replace'))
        if not alive:
            if process.returncode:
                raise RuntimeError(f'{method}: a resumed run failed, see {log}')
            return moments, places()  # it ended before the moment came
        moments.append(moment if isinstance(moment, str) else 'a random time')
    begin = log.stat().st_size
    finish(start(method, folder, (folder / 'run.json').exists()), folder)
    outputs.append(log.read_bytes()[begin:].decode(errors='replace'))
    return moments, places()


def compare(expected: dict[str, object], found: dict[str, object]) -> dict[str, bool]:
    """Returns which parts of two outcomes are equal."""
    return {key: expected[key] == found[key] for key in expected}


def finish(process: Process, folder: Path) -> None:
    """Waits for a run to end well."""
    if process.wait():
        raise RuntimeError(f'the run failed, see {folder}.log')


def main() -> int:
    """Runs the command line; returns 1 if anything differs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--methods', nargs='+', default=['mib', 'plop', 'sdr', 'dkd_m', 'awt'])
    parser.add_argument('--kills', type=int, default=8, help='kills per method')
    parser.add_argument('--seed', type=int, default=0)
    parser.add_argument('--work-dir', help='folder to work in (default: a temporary one)')
    args = parser.parse_args()
    folder = Path(args.work_dir or tempfile.mkdtemp(prefix='torture_')).resolve()
    rng = random.Random(args.seed)
    import mmciss.apis.train
    import mmciss.register_all

    print(f'{platform.machine()}, {os.cpu_count()} cores, {time.strftime("%Y-%m-%d")}')
    print(
        '| method | kills | runs | whole run | weights and matrices | report | killed at '
        '| continued at step:iteration |\n|---|---:|---:|---:|---|---|---|---|'
    )
    wrong = 0
    for method in args.methods:
        moments, places, runs, seconds, same = torture(method, folder, args.kills, rng)
        steps = all(same[key] for key in same if key != 'report')
        wrong += not all(same.values())
        words = {True: 'identical', False: 'DIFFERENT'}
        counts = ', '.join(f'{moment} {count}' for moment, count in Counter(moments).most_common())
        shown = [f'{place} ({times})' if times > 1 else place for place, times in Counter(places).items()]
        print(
            f'| {method} | {len(moments)} | {runs} | {seconds:.0f} s | {words[steps]} | '
            f'{words[bool(same["report"])]} | {counts} | '
            f'{", ".join(shown)} |',
            flush=True,
        )
    return int(wrong > 0)


if __name__ == '__main__':
    sys.exit(main())
