"""Comparing methods: runs several of them, with several seeds, on one config, and merges their reports."""

from __future__ import annotations

import argparse
import logging
import shlex
import sys
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mmciss.apis.command import command_parser, run_command

if TYPE_CHECKING:
    from mmciss.comparison.plan import Run
    from mmciss.comparison.training import Executor
    from mmciss.engine.display import Display

EXAMPLES = """examples:
  mmciss compare configs/shapes/shapes_15-1.py --methods mib plop dkd --seeds 0 1 2 --work-dir work_dirs/compare
  mmciss compare configs/shapes/shapes_15-1.py --methods joint finetuning --work-dir work_dirs/compare --jobs 2
  mmciss compare configs/shapes/shapes_15-1.py --methods mib plop --choose steps.later.lr 0.01 0.02 0.05 \\
      --seeds 0 1 2 --work-dir work_dirs/compare
  mmciss compare configs/ciss/deeplabv3_r101_voc_15-1.py --methods mib plop --seeds 0 1 2 --work-dir work_dirs/voc \\
      --executor slurm --slurm partition=gpu gpus_per_node=1 cpus_per_task=8 time=24:00:00"""


def parse_args(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Parses the command line."""
    parser = command_parser(
        'Run several methods and seeds on one config, train equal base steps once, and merge the\n'
        'reports. The same command again continues, or adds what is new; what is running is not\n'
        'started a second time.',
        EXAMPLES,
    )
    parser.add_argument('config', help='config file')
    parser.add_argument('--methods', nargs='+', required=True, help='methods in configs/_base_/methods, or paths')
    parser.add_argument('--seeds', nargs='+', type=int, default=[0], help='random seeds (default: 0)')
    parser.add_argument('--orders', nargs='+', help='class orders, each as mmciss train --order takes it')
    protocols = parser.add_mutually_exclusive_group()
    protocols.add_argument('--protocol', help="protocol, such as '15-1'")
    protocols.add_argument('--protocols', nargs='+', help='several protocols')
    parser.add_argument('--setting', help='overlapped, disjoint, sequential, partitioned, domain')
    parser.add_argument('--work-dir', required=True, metavar='DIR', help='folder for the runs and for merged_report')
    parser.add_argument('--amp', action='store_true', help='train in mixed precision (bfloat16 on CPUs)')
    parser.add_argument(
        '--cfg-options', nargs='+', metavar='KEY=VALUE', help='settings of the config to change, in every run'
    )
    several = parser.add_mutually_exclusive_group()
    several.add_argument(
        '--vary',
        nargs='+',
        metavar=('KEY', 'VALUE'),
        help='run every method with each of these values of a config key, as in steps.later.lr 0.01 0.02',
    )
    several.add_argument(
        '--choose',
        nargs='+',
        metavar=('KEY', 'VALUE'),
        help='run every method with the one of these values that is best for it on held-out training images',
    )
    parser.add_argument(
        '--executor', choices=['local', 'slurm'], default='local', help='where to train (default: local, this machine)'
    )
    parser.add_argument(
        '--jobs',
        type=int,
        help='with local: so many runs at the same time (default: 1); several GPUs are taken in turn',
    )
    parser.add_argument(
        '--slurm', nargs='+', metavar='KEY=VALUE', help='with slurm: what a job asks for, as the long options of sbatch'
    )
    parser.add_argument(
        '--dry-run', action='store_true', help='print one shell command per run, for any other scheduler'
    )
    options = parser.parse_args(arguments)
    for flag, given, least in (('vary', options.vary, 1), ('choose', options.choose, 2)):
        if given and len(given) <= least:
            number = ('one value', 'two values')[least - 1]
            parser.error(f'--{flag} {given[0]}: needs at least {number} of the key, as in steps.later.lr 0.01 0.02')
    for flag, given in (('vary', options.vary), ('choose', options.choose)):
        if not all(given or ()):
            parser.error(f'--{flag}: a value is empty')
    if options.jobs is not None and options.jobs < 1:
        parser.error(f'--jobs must be at least 1, found {options.jobs}')
    if options.jobs is not None and options.executor == 'slurm':
        parser.error('--jobs is for --executor local; Slurm decides how many jobs run at the same time')
    if options.slurm and options.executor == 'local':
        parser.error('--slurm is for --executor slurm')
    return options


def make_executor(options: argparse.Namespace) -> Executor:
    """Makes the executor that the command line asks for.

    Raises:
        ConfigError: If it cannot work here, or its options are wrong.
    """
    from mmciss.comparison.local import LocalExecutor
    from mmciss.comparison.slurm import SlurmExecutor, check_slurm, read_options

    if options.executor == 'local':
        return LocalExecutor(options.jobs or 1)
    asked = read_options(options.slurm or [])
    check_slurm()
    return SlurmExecutor(Path(options.work_dir) / 'logs', asked)


def shell_commands(runs: Sequence[Run]) -> list[str]:
    """Returns the commands that train what is not finished, with comments on their order."""
    from mmciss.comparison.plan import Task, lenders, plan_tasks

    open_runs = [run for run in runs if not run.is_done()]
    tasks = plan_tasks(runs, open_runs)
    there = [run for run in runs if run.has_base()] + [task.run for task in tasks if task.base_only]

    def command(task: Task) -> str:
        found = [] if task.run in there else lenders(task.run, there)
        base = ('--base-from', str(found[0].path)) if found else ()
        return shlex.join([sys.executable, '-m', 'mmciss', 'train', *task.arguments, *base])

    first = [command(task) for task in tasks if task.base_only]
    lines = [f'# {len(runs) - len(open_runs)} of {len(runs)} runs are done. The others are to be run in {Path.cwd()}']
    if first:
        lines += ['# First the base steps that several runs share:', *first, '# then, in any order:']
    return [*lines, *(command(task) for task in tasks if not task.base_only)]


def compare(options: argparse.Namespace) -> int:
    """Runs a comparison and writes ``merged_report`` into its folder.

    Returns:
        The number of runs that failed; the last lines of their logs were printed.

    Raises:
        ConfigError: If a run cannot work, before the first one trains.
    """
    from mmengine.logging import MMLogger

    import mmciss.register_all
    from mmciss.comparison.plan import all_kinds, plan_runs
    from mmciss.engine.display import make_display, quiet

    display = make_display()
    quiet(MMLogger.get_current_instance(), display.show, logging.WARNING if options.dry_run else logging.INFO)
    chosen, num_failed = _choose(options, display) if options.choose else (None, 0)
    if chosen is not None and chosen.keys().isdisjoint(all_kinds(options)):
        return num_failed
    if options.dry_run:
        for line in shell_commands(plan_runs(options, chosen)):
            display.show(line)
        return num_failed
    return num_failed + _run_all(options, chosen, display)[1]


def _choose(options: argparse.Namespace, display: Display) -> tuple[dict[str, str], int]:
    """Runs what ``--choose`` chooses from; a dry run prints it.

    Returns:
        What was chosen, by kind, in this call or before, and how many runs failed. Nothing if a dry run has shown what
        is to be run first.

    Raises:
        ConfigError: If a run cannot work, those that count among them, before the first one trains.
    """
    from mmciss.comparison.choice import Choice, choice_lines, choice_options, chosen_values, found_scores
    from mmciss.comparison.plan import all_kinds, kind_of, plan_runs
    from mmciss.errors import ConfigError
    from mmciss.evaluation.failed_runs import read_failure

    key, *values = options.choose
    first, choice = choice_options(options), Choice(options.work_dir, key, values)
    rehearsed = plan_runs(options, dict.fromkeys(all_kinds(options), values[0]) | choice.chosen)
    missing = {kind_of(run.labels) for run in rehearsed} - choice.chosen.keys()
    for run in rehearsed:
        if kind_of(run.labels) in missing and run.folder.has_started():
            raise ConfigError(
                f'--work-dir: {run.path} was run without --choose, or {choice.path} was removed; use another folder'
            )
    if not missing:
        return choice.chosen, 0
    num_failed = 0
    if options.dry_run:
        runs = plan_runs(first, only=missing)
        if not all(run.is_done() or read_failure(run.path) for run in runs):
            for line in [*shell_commands(runs), '# Then the same command again, for the runs with what is best']:
                display.show(line)
            return {}, 0
    else:
        runs, num_failed = _run_all(first, None, display, missing)
    scores = found_scores(runs, key)
    for line in choice_lines(key, scores):
        display.show(f'# {line}' if options.dry_run else line)
    choice.add(chosen_values(scores))
    for kind in sorted(missing - choice.chosen.keys()):
        sys.stderr.write(f'error: {kind}: no run of the choice was finished, so it has no run that counts\n')
    return choice.chosen, num_failed


def _run_all(
    options: argparse.Namespace, chosen: Mapping[str, str] | None, display: Display, only: Collection[str] | None = None
) -> tuple[list[Run], int]:
    """Runs everything and writes ``merged_report``; returns the runs, and how many failed."""
    from mmciss.comparison.comparison import Comparison
    from mmciss.comparison.plan import owner, plan_runs
    from mmciss.engine.display import shown_on
    from mmciss.evaluation.failed_runs import read_failure

    executor = make_executor(options)
    work_dir = Path(options.work_dir)
    with shown_on(display):
        runs = plan_runs(options, chosen, only)
        bases = len({owner(run, runs).name for run in runs})
        display.show(f'{len(runs)} runs, {bases} base step{"s" if bases > 1 else ""}, in {work_dir}')
        failed = Comparison(runs, work_dir / 'logs', executor, display).run()
    display.show(merge(work_dir))
    for run in runs:
        if run.name in failed and (note := read_failure(run.path)):
            sys.stderr.write(f'error: {run.name} failed ({note["reason"]}), see {work_dir / note["log"]}\n')
            sys.stderr.writelines(f'    {line}\n' for line in note['lines'])
    return runs, len(failed)


def merge(work_dir: Path) -> str:
    """Merges the reports of all runs in a folder, those of earlier calls, too, and returns the result in short."""
    from mmciss.evaluation.failed_runs import FILE
    from mmciss.evaluation.merged_text import headline
    from mmciss.evaluation.report import write_merged_report
    from mmciss.evaluation.run_record import read_run

    begun, failed = ({path.parent for path in work_dir.glob(f'*/{name}')} for name in ('run.json', FILE))
    if not any(record.started and record.complete for record in map(read_run, begun)):
        return 'no run is complete, so there is no report'
    path, problems = write_merged_report(sorted(begun | failed), work_dir / 'merged_report')
    return f'{headline(problems)}\n\nThe whole report is in {path.with_suffix(".html")} (and .md)'


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line; returns 1 if a run failed, in which case the report covers the others."""
    options = parse_args(arguments)
    failed: list[int] = []
    again = 'the same command continues the runs'
    if options.executor == 'slurm':
        again = 'jobs that were submitted go on, and the same command shows them again (scancel ends them)'
    return run_command(lambda: failed.append(compare(options)), again) or int(any(failed))
