"""Kills runs at random moments, resumes them, and compares the results with an uninterrupted run.

usage: python benchmarks/torture.py [--methods mib plop sdr dkd_m awt] [--kills 8] [--seed 0] [--work-dir DIR]

The moments lie in reading the data, training, validation, writing checkpoints, export, statistics, report.
Half of the kills (SIGKILL, with all children) come at a random time after the start, the other half right after a random
file has appeared, which is when something is being written. Every run is resumed until it has
been killed often enough and then finishes; weights and confusion matrices must equal those of a run that nobody killed, bit by bit.
"""
from __future__ import annotations

import argparse
import json
import os
import platform
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CONFIG = ROOT / 'configs/shapes/shapes_smoke.py'
MOMENTS = ('data/*.unfinished', 'run.json', 'step_*/2*', 'step_*/statistics.pth', 'step_*/iter_*.pth',
           'step_*/.*.tmp', 'step_*/model.pth', 'step_*/state.pth', 'step_*/samples.npz', 'step_*/result.json',
           'step_0/memory.json', 'report.json', 'figures/*.png')
"""What a run writes, in the order of its phases."""


def start(method: str, folder: Path, resume: bool) -> subprocess.Popen:
    """Starts a run in a group of its own."""
    command = [sys.executable, str(ROOT / 'tools/train.py'), str(CONFIG), '--method', method, '--work-dir', str(folder),
               '--cfg-options', 'train_cfg.val_begin=1', 'train_cfg.val_interval=3']
    if method.endswith('_m'):
        command.append('method.memory.size=8')
    environment = {**os.environ, 'OMP_NUM_THREADS': '1', 'PYTHONPATH': str(ROOT),
                   'MMCISS_SHAPES_SMOKE': str(folder.parent / 'shapes_smoke'),
                   'MMCISS_CACHE': str(folder / 'cache')}
    with open(folder.parent / f'{folder.name}.log', 'ab') as log:
        return subprocess.Popen(command + (['--resume'] if resume else []), env=environment, cwd=ROOT, stdout=log,
                                stderr=subprocess.STDOUT, start_new_session=True)


def kill(process: subprocess.Popen) -> None:
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


def wait_for(process: subprocess.Popen, folder: Path, moment: str | float) -> bool:
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
        return {key: without_times(item) for key, item in value.items()
                if not any(word in key for word in ('second', 'time', 'folder', 'path', 'work_dir', 'date'))}
    return [without_times(item) for item in value] if isinstance(value, list) else value


def torture(method: str, folder: Path, kills: int, rng: random.Random) -> tuple[list[str], float, dict[str, object]]:
    """Kills and resumes one run.

    Returns:
        The moments at which it was killed, the duration of a whole run in seconds, and a comparison: part -> equal.

    Raises:
        RuntimeError: If a run fails by itself.
    """
    whole, parts = folder / f'{method}_whole', folder / f'{method}_killed'
    for path in (whole, parts):
        path.mkdir(parents=True)
    begin = time.monotonic()
    finish(start(method, whole, False), whole)
    duration = time.monotonic() - begin
    moments: list[str] = []
    while len(moments) < kills:
        moment: str | float = rng.choice(MOMENTS) if rng.random() < 0.5 else rng.uniform(0, duration)
        process = start(method, parts, (parts / 'run.json').exists())
        if not wait_for(process, parts, moment):
            if process.returncode:
                raise RuntimeError(f'{method}: a resumed run failed, see {parts}.log')
            break  # it finished before the moment came
        kill(process)
        moments.append(moment if isinstance(moment, str) else f'after {moment:.1f} s')
    finish(start(method, parts, True), parts)
    expected, found = outcome(whole), outcome(parts)
    return moments, duration, {key: expected[key] == found[key] for key in expected}


def finish(process: subprocess.Popen, folder: Path) -> None:
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
    print(f'{platform.machine()}, {os.cpu_count()} cores, {time.strftime("%Y-%m-%d")}')
    print('| method | kills | whole run | weights and matrices | report | killed at |\n|---|---|---|---|---|---|')
    wrong = 0
    for method in args.methods:
        moments, seconds, same = torture(method, folder, args.kills, rng)
        steps = all(same[key] for key in same if key != 'report')
        wrong += not all(same.values())
        words = {True: 'identical', False: 'DIFFERENT'}
        print(f'| {method} | {len(moments)} | {seconds:.0f} s | {words[steps]} | {words[bool(same["report"])]} | '
              f'{", ".join(moments)} |', flush=True)
    return int(wrong > 0)


if __name__ == '__main__':
    sys.exit(main())
