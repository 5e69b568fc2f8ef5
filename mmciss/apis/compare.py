"""Comparing methods: runs several of them, with several seeds, on one config, and merges their reports."""

from __future__ import annotations

import argparse
import itertools
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mmengine.config import Config
from mmengine.logging import print_log

from mmciss.apis.command import run_command
from mmciss.errors import ConfigError

if TYPE_CHECKING:
    from mmciss.engine.runner.run_folder import RunFolder

POLL_SECONDS = 0.5
EXAMPLES = """examples:
  mmciss compare configs/shapes/shapes_15-1.py --methods mib plop dkd --seeds 0 1 2 --work-dir work_dirs/compare
  mmciss compare configs/shapes/shapes_15-1.py --methods joint finetuning --work-dir work_dirs/compare --jobs 2"""


@dataclass(frozen=True)
class Run:
    """One run of a comparison.

    Attributes:
        name: Its folder's name.
        arguments: Arguments of the training command after the config.
        base: What the base step depends on; runs with an equal value can share it.
        steps: Number of steps.
    """

    name: str
    arguments: tuple[str, ...]
    base: str
    steps: int


def parse_args(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Parses the command line."""
    parser = argparse.ArgumentParser(
        description='Run several methods and seeds on one config, train equal base steps once, and merge the\n'
        'reports. The same command again continues, or adds what is new.',
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument('config', help='config file')
    parser.add_argument('--methods', nargs='+', required=True, help='methods in configs/_base_/methods, or paths')
    parser.add_argument('--seeds', nargs='+', type=int, default=[0])
    parser.add_argument('--orders', nargs='+', help="class orders, as train.py's --order takes them")
    parser.add_argument('--protocol', help="protocol, such as '15-1'")
    parser.add_argument('--setting', help='overlapped, disjoint, sequential, partitioned, domain')
    parser.add_argument('--work-dir', required=True, help='folder for the runs and for merged_report')
    parser.add_argument('--amp', action='store_true', help='train in mixed precision (bfloat16 on CPUs)')
    parser.add_argument('--jobs', type=int, default=1, help='runs at the same time; several GPUs are taken in turn')
    parser.add_argument('--cfg-options', nargs='+', help='as train.py takes them, for every run')
    options = parser.parse_args(arguments)
    if options.jobs < 1:
        parser.error(f'--jobs must be at least 1, found {options.jobs}')
    return options


def plan_runs(options: argparse.Namespace) -> list[Run]:
    """Resolves every run and builds what it needs, so that one that cannot work is found before the first one trains.

    Raises:
        ConfigError: If a run cannot work, two runs would have one folder, or a run's folder holds another experiment.
            The message names all methods that cannot work.
    """
    from mmciss.engine.runner.launch import check_work_dir

    check_work_dir(options.work_dir, '--work-dir')
    for key, flag in (('randomness.seed', '--seeds'), ('protocol.order', '--orders'), ('work_dir', '--work-dir')):
        if any(item.partition('=')[0] == key for item in options.cfg_options or ()):
            raise ConfigError(
                f'--cfg-options {key}: all runs would have the same, whatever they are called; use {flag}'
            )
    runs: list[Run] = []
    wrong: dict[str, str] = {}
    checked: set[str] = set()
    for method, order, seed in itertools.product(options.methods, options.orders or [None], options.seeds):
        parts = [Path(method).stem, order and f'order{order}', f'seed{seed}']
        name = '_'.join(part for part in parts if part)
        if any(run.name == name for run in runs):
            raise ConfigError(f'--methods, --orders and --seeds: two runs would be called {name}')
        if method in wrong:
            continue
        try:
            runs.append(_plan_run(options, name, method, order, seed, checked))
        except ConfigError as error:
            wrong[method] = f'{name}: {error}'
    if len(wrong) > 1:
        raise ConfigError(
            f'{len(wrong)} of {len(options.methods)} methods cannot work here, and nothing was started:\n'
            + '\n'.join(wrong.values())
        )
    if wrong:
        raise ConfigError(*wrong.values())
    return runs


def _plan_run(
    options: argparse.Namespace, name: str, method: str, order: str | None, seed: int, checked: set[str]
) -> Run:
    """Resolves one run; a method that is not in ``checked`` is built once."""
    from mmciss.apis.train import config_from_args
    from mmciss.apis.train import parse_args as train_args
    from mmciss.apis.working_methods import check_method
    from mmciss.engine.runner.experiment import Experiment
    from mmciss.engine.runner.launch import prepare_config
    from mmciss.engine.runner.run_folder import RunFolder

    arguments = ['--seed', str(seed), '--work-dir', str(Path(options.work_dir) / name)]
    for flag in ('protocol', 'setting'):
        if getattr(options, flag) is not None:
            arguments += [f'--{flag}', getattr(options, flag)]
    if order is not None:
        arguments += ['--order', order]
    if options.amp:
        arguments += ['--amp']
    if options.cfg_options:
        arguments += ['--cfg-options', *options.cfg_options]

    def config(method: str) -> Config:
        return config_from_args(train_args([options.config, '--method', method, *arguments]))

    experiment = Experiment.from_cfg(prepare_config(config(method)))
    # A finished run is not started again, so nothing else would notice if it was of another experiment.
    folder = RunFolder(Path(options.work_dir) / name)
    if folder.has_started():
        folder.claim(experiment.identity(), experiment.details())
    steps = len(experiment.protocol)
    if method not in checked and folder.first_open_step(steps) < steps:
        check_method(experiment, method, config)
        checked.add(method)
    return Run(name, ('--method', method, *arguments), experiment.base_identity(), steps)


class Comparison:
    """Runs what can run, ``jobs`` at a time; a base step is trained by the first run that needs it.

    Args:
        runs: The runs.
        work_dir: The folder of their folders.
        start: Starts a run in its own process, given the run whose base step it takes and which of the ``jobs`` places
            it has.
        jobs: Runs at the same time.
        say: Called with each line of progress.
    """

    def __init__(
        self,
        runs: Sequence[Run],
        work_dir: Path,
        start: Callable[[Run, Path | None, int], Any],
        jobs: int,
        say: Callable[[str], object] = print_log,
    ) -> None:
        self.runs, self.work_dir, self.start, self.jobs, self.say = list(runs), work_dir, start, jobs, say
        self.owners: dict[str, Run] = {}
        for run in sorted(runs, key=lambda run: not self._has_base(run)):
            self.owners.setdefault(run.base, run)

    def run(self) -> list[str]:
        """Runs everything.

        Returns:
            The names of the runs that failed.
        """
        waiting = [run for run in self.runs if self._folder(run).first_open_step(run.steps) < run.steps]
        # Runs whose base step others wait for go first.
        waiting.sort(key=lambda run: self.owners[run.base] is not run)
        failed: list[str] = []
        running: dict[int, tuple[Run, Any]] = {}
        try:
            while waiting or running:
                for place, (run, process) in list(running.items()):
                    if process.poll() is not None:
                        del running[place]
                        if process.returncode:
                            failed.append(run.name)
                        log = log_file(self.work_dir, run)
                        self.say(f'{run.name}: {f"failed, see {log}" if process.returncode else "done"}')
                for run in list(waiting):
                    owner = self.owners[run.base]
                    if owner.name in failed and not self._has_base(owner):
                        self.owners[run.base] = owner = run  # what broke the owner need not break this run
                    free = [place for place in range(self.jobs) if place not in running]
                    if not free:
                        break
                    if owner is run or self._has_base(owner):
                        waiting.remove(run)
                        self.say(f'{run.name}: started')
                        base = None if owner is run else self.work_dir / owner.name
                        running[free[0]] = run, self.start(run, base, free[0])
                time.sleep(POLL_SECONDS)
        finally:
            for _, process in running.values():
                process.terminate()
            for _, process in running.values():
                process.wait()
        return failed

    def _folder(self, run: Run) -> RunFolder:
        from mmciss.engine.runner.run_folder import RunFolder

        return RunFolder(self.work_dir / run.name)

    def _has_base(self, run: Run) -> bool:
        return self._folder(run).result(0) is not None


def log_file(work_dir: Path, run: Run) -> Path:
    """Returns where the output of a run goes."""
    return work_dir / 'logs' / f'{run.name}.log'


def start_training(config: str, work_dir: Path, run: Run, base: Path | None, place: int) -> subprocess.Popen[bytes]:
    """Starts a run, whose output is appended to its log."""
    import torch

    command = [sys.executable, '-m', 'mmciss.apis.train', config, '--resume', *run.arguments]
    if base is not None:
        command += ['--base-from', str(base)]
    environment = dict(os.environ)
    visible = environment.get('CUDA_VISIBLE_DEVICES')
    devices = visible.split(',') if visible else [str(index) for index in range(torch.cuda.device_count())]
    if devices:
        environment['CUDA_VISIBLE_DEVICES'] = devices[place % len(devices)]
    path = log_file(work_dir, run)
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, 'a', encoding='utf-8') as log:
        return subprocess.Popen(command, env=environment, stdout=log, stderr=subprocess.STDOUT)


def compare(options: argparse.Namespace) -> list[str]:
    """Runs a comparison and writes ``merged_report`` into its folder.

    Returns:
        The names of the runs that failed.

    Raises:
        ConfigError: If a run cannot work, before the first one trains.
    """
    import mmciss.register_all
    from mmciss.evaluation.report import write_merged_report
    from mmciss.evaluation.report_text import headline

    runs = plan_runs(options)
    work_dir = Path(options.work_dir)

    def start(run: Run, base: Path | None, place: int) -> subprocess.Popen[bytes]:
        return start_training(options.config, work_dir, run, base, place)

    comparison = Comparison(runs, work_dir, start, options.jobs)
    bases = len(comparison.owners)
    print_log(f'{len(runs)} runs, {bases} base step{"s" if bases > 1 else ""}, in {work_dir}')
    failed = comparison.run()
    # Runs of earlier calls count too; the report names those that are not complete.
    folders = sorted(path.parent for path in work_dir.glob('*/run.json'))
    if len(failed) < len(runs):
        path, problems = write_merged_report(folders, work_dir / 'merged_report')
        print_log(f'{headline(problems)}\n\nThe whole report is in {path}')
    return failed


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line; returns 1 if a run failed, in which case the report covers the others."""
    options = parse_args(arguments)
    failed: list[str] = []
    status = run_command(lambda: failed.extend(compare(options)), 'the same command continues the runs')
    for name in failed:
        sys.stderr.write(f'error: {name} failed, see {Path(options.work_dir) / "logs" / name}.log\n')
    return status or int(bool(failed))
