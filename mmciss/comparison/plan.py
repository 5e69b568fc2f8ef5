"""Which runs a comparison consists of, and which of their trainings wait for others."""

from __future__ import annotations

import argparse
import itertools
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from mmengine.config import Config

from mmciss.engine.display.time_left import TimeLeft
from mmciss.engine.runner.run_folder import RunFolder
from mmciss.errors import ConfigError


@dataclass(frozen=True)
class Run:
    """A run of a comparison.

    Attributes:
        path: Its folder.
        labels: What tells it apart, by column: method, seed, and what else was given several values.
        arguments: Arguments of ``mmciss train``.
        base: What the base step depends on; runs with an equal value can share it.
        iterations: Iterations of every step.
        test_images: Images that every step is tested on.
        batch_size: Images per iteration.
        model: What the model depends on that the base step trains; None if that step trains more than a model.
        lends: Whether the model of the base step is left as it was trained.
    """

    path: Path
    labels: Mapping[str, str] = field(hash=False)
    arguments: tuple[str, ...]
    base: str
    iterations: tuple[int, ...]
    test_images: tuple[int, ...]
    batch_size: int
    model: str | None = None
    lends: bool = False

    @property
    def name(self) -> str:
        """The name of its folder."""
        return self.path.name

    @property
    def folder(self) -> RunFolder:
        """Its folder."""
        return RunFolder(self.path)

    @property
    def steps(self) -> int:
        """Number of steps."""
        return len(self.iterations)

    def has_base(self) -> bool:
        """Whether its base step is done."""
        return self.folder.result(0) is not None

    def takes_from(self, other: Run) -> bool:
        """Whether it can take the base step of another run, or the model of that."""
        if other.base == self.base:
            return True
        result = other.folder.result(0)  # which an older version may have written
        lent = (other.model if other.lends else None) if result is None else result.get('base_training')
        return lent is not None and lent == self.model

    def is_done(self) -> bool:
        """Whether all its steps are done."""
        return self.folder.first_open_step(self.steps) == self.steps

    def time_left(self) -> TimeLeft:
        """Returns an estimate of the time that it takes."""
        return TimeLeft(self.iterations, self.test_images, self.batch_size)


@dataclass(frozen=True)
class Task:
    """A training command of a comparison.

    Attributes:
        run: The run that is trained.
        after: The task whose base step it takes; None if it waits for nothing.
        base_only: Whether it trains the base step only.
    """

    run: Run
    after: Task | None = None
    base_only: bool = False

    @property
    def name(self) -> str:
        """A name for its log."""
        return f'{self.run.name}_base' if self.base_only else self.run.name

    @property
    def arguments(self) -> tuple[str, ...]:
        """Arguments of ``mmciss train``."""
        return (*self.run.arguments, '--steps', '0') if self.base_only else self.run.arguments

    def is_done(self) -> bool:
        """Whether what it trains is there."""
        return self.run.has_base() if self.base_only else self.run.is_done()


def kind_of(labels: Mapping[str, str | None]) -> str:
    """Returns method and protocol, if given, for which ``--choose`` chooses a value, from the labels of a run."""
    return ' '.join(value for key in ('method', 'protocol') if (value := labels.get(key)))


def plan_tasks(runs: Iterable[Run], open_runs: Sequence[Run]) -> list[Task]:
    """Returns what is still to be trained; a base step that several runs share comes before them.

    Args:
        runs: All runs of the comparison; finished ones lend their base steps, too.
        open_runs: Those to be trained.
    """
    there = [run for run in runs if run.has_base()]
    owners = {run.name: owner(run, open_runs) for run in open_runs if not lenders(run, there)}
    names = [run.name for run in owners.values()]
    bases = {run.name: Task(run, base_only=True) for run in owners.values() if names.count(run.name) > 1}
    after = {name: bases.get(run.name) for name, run in owners.items()}
    return [*bases.values(), *(Task(run, after.get(run.name)) for run in open_runs)]


def lenders(run: Run, runs: Iterable[Run]) -> list[Run]:
    """Returns the runs whose base step a run can take, or whose model; itself is among them."""
    return sorted((other for other in runs if run.takes_from(other)), key=lambda other: other.base != run.base)


def owner(run: Run, runs: Iterable[Run]) -> Run:
    """Returns the run that trains the base step of a run: the first one from whom most can take it."""
    return min(lenders(run, runs), key=lambda other: not other.lends)


def all_kinds(options: argparse.Namespace) -> list[str]:
    """Returns every method with every protocol of a command line."""
    return [
        kind_of({'method': Path(method).stem, 'protocol': protocol})
        for method, protocol in itertools.product(options.methods, options.protocols or [None])
    ]


def plan_runs(
    options: argparse.Namespace, chosen: Mapping[str, str] | None = None, only: Collection[str] | None = None
) -> list[Run]:
    """Resolves every run and builds what it needs, so that one that cannot work is found before the first one trains.

    Args:
        options: The command line, see :func:`mmciss.apis.compare.parse_args`.
        chosen: With ``--choose``, the value of every kind, see :func:`kind_of`; kinds without one have no run.
        only: The kinds that have runs; None for all.

    Raises:
        ConfigError: If a run cannot work, two runs would have one folder, or a run's folder holds another experiment.
            The message names all methods that cannot work.
    """
    from mmciss.engine.runner.launch import check_work_dir

    check_work_dir(options.work_dir, '--work-dir')
    own = {'randomness.seed': '--seeds', 'protocol.order': '--orders', 'work_dir': '--work-dir'}
    for key, flag in {**own, **({'protocol.name': '--protocols'} if options.protocols else {})}.items():
        if any(item.partition('=')[0] == key for item in options.cfg_options or ()):
            raise ConfigError(
                f'--cfg-options {key}: all runs would have the same, whatever they are called; use {flag}'
            )
        for several in ('vary', 'choose'):
            if (getattr(options, several) or [''])[0] == key:
                raise ConfigError(f'--{several} {key}: use {flag}')
    varied, *values = options.vary or ['']
    runs: list[Run] = []
    wrong: dict[str, str] = {}
    checked: set[tuple[str, ...]] = set()
    grid = (options.methods, values or [None], options.protocols or [None], options.orders or [None], options.seeds)
    for method, value, protocol, order, seed in itertools.product(*grid):
        shown = value and varied.rpartition('.')[2] + re.sub(r'[^\w.+-]+', '-', value)
        parts = [Path(method).stem, shown, protocol, order and f'order{order}', f'seed{seed}']
        name = '_'.join(part for part in parts if part)
        if any(run.name == name for run in runs):
            raise ConfigError(f'--methods, --vary, --protocols, --orders and --seeds: two runs would be called {name}')
        if method in wrong:
            continue
        labels = {'method': Path(method).stem, varied: value, 'protocol': protocol, 'order': order, 'seed': str(seed)}
        changes = [*(options.cfg_options or ()), *([f'{varied}={value}'] if value else ())]
        if only is not None and kind_of(labels) not in only:
            continue
        if chosen is not None:
            if (best := chosen.get(kind_of(labels))) is None:
                continue
            labels[options.choose[0]] = best
            changes += [f'{options.choose[0]}={best}']
        try:
            runs.append(_plan_run(options, name, method, labels, changes, checked))
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
    options: argparse.Namespace,
    name: str,
    method: str,
    labels: dict[str, str | None],
    changes: Sequence[str],
    checked: set[tuple[str, ...]],
) -> Run:
    """Resolves one run; a method that was not yet ``checked`` with its protocol and options is built once."""
    from mmciss.apis.train import config_from_args
    from mmciss.apis.train import parse_args as train_args
    from mmciss.apis.working_methods import check_method
    from mmciss.engine.runner.experiment import Experiment
    from mmciss.engine.runner.launch import prepare_config

    path = Path(options.work_dir) / name
    arguments = ['--seed', str(labels['seed']), '--work-dir', str(path)]
    for flag, value in (
        ('--protocol', labels['protocol'] or options.protocol),
        ('--setting', options.setting),
        ('--order', labels['order']),
    ):
        if value is not None:
            arguments += [flag, value]
    if options.amp:
        arguments += ['--amp']
    if changes:
        arguments += ['--cfg-options', *changes]

    def config(method: str) -> Config:
        return config_from_args(train_args([options.config, '--method', method, *arguments]))

    experiment = Experiment.from_cfg(prepare_config(config(method)))
    run = Run(
        path,
        {key: value for key, value in labels.items() if value},
        (options.config, '--resume', '--method', method, *arguments),
        experiment.base_identity(),
        tuple(plan.iterations for plan in experiment.plans),
        experiment.num_test_images(),
        experiment.global_batch,
        experiment.base_training(),
        experiment.lends_base_model(),
    )
    # A finished run is not started again, so nothing else would notice if it was of another experiment.
    if run.folder.has_started():
        run.folder.claim(experiment.identity(), experiment.details())
    kind = (method, labels['protocol'] or '', *changes)
    if kind not in checked and not run.is_done():
        check_method(experiment, method, config)
        checked.add(kind)
    return run
