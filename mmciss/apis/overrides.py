"""The flags that change a config: what they are, and what they do to it."""

from __future__ import annotations

import argparse
import re
from argparse import Namespace
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mmengine.config import Config, DictAction
from mmengine.logging import print_log

from mmciss.errors import ConfigError, flag
from mmciss.utils.configs import load_config, load_method

FLAG = '--cfg-options'


class CfgOptions(DictAction):
    """mmengine's reader of ``--cfg-options key=value``, which reports errors as other flags do."""

    def __call__(
        self, parser: argparse.ArgumentParser, namespace: Namespace, values: Any, option_string: str | None = None
    ) -> None:
        """Reads every ``key=value``; ends the program if one cannot be read."""
        for item in values if isinstance(values, Sequence) else ():
            key, equals, _ = item.partition('=')
            if not equals or not all(part.strip() for part in key.split('.')):
                parser.error(f'argument {FLAG}: cannot read {item!r}; give key=value, such as steps.base.iters=100')
            try:
                super().__call__(parser, namespace, [item], option_string)
            except (AssertionError, ValueError, RecursionError) as error:
                parser.error(f'argument {FLAG}: cannot read {item!r}: {error}')


def add_protocol_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the flags that change what is learned and how."""
    group = parser.add_argument_group('in place of what the config says')
    group.add_argument('--method', help='a method in configs/_base_/methods, such as plop, or a path')
    group.add_argument('--protocol', help="protocol, such as '15-1'")
    group.add_argument('--setting', help='overlapped, disjoint, sequential, partitioned, domain')
    group.add_argument('--order', help='class order: a published letter, a seed, or class numbers or names with commas')
    group.add_argument('--seed', type=int, help='random seed')
    group.add_argument(
        FLAG,
        nargs='+',
        action=CfgOptions,
        metavar='KEY=VALUE',
        help='any other settings, such as steps.base.iters=100; lists as key="[a,b]" or key=a,b',
    )


def add_step_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the flags that say which steps are learned now, and which is taken from another run."""
    parser.add_argument('--steps', help="learn only these steps now: '0', '0-2' or '0,1,2' (earlier ones must be done)")
    parser.add_argument('--base-from', metavar='DIR', help='take the base step from this run folder')


def add_launcher_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the flags by which launchers start several processes."""
    group = parser.add_argument_group('several processes (set by tools/dist_*.sh and tools/slurm_*.sh)')
    group.add_argument(
        '--launcher',
        choices=['none', 'pytorch', 'slurm', 'mpi'],
        default='none',
        help='what started the processes (default: none, there is one)',
    )
    group.add_argument(
        '--local_rank', '--local-rank', type=int, default=0, metavar='N', help='number of the process on its machine'
    )


def check_filled(args: Mapping[str, Any], positional: Mapping[str, str]) -> None:
    """Refuses empty arguments (a shell variable without a value), by their flags or the names of positional ones."""
    for name, value in args.items():
        if value == '':
            raise ConfigError(f'{positional.get(name) or flag(name)}: is empty; leave it out, or give it a value')


def read_config(args: Namespace) -> Config:
    """Loads the config of a command line and applies its flags, in the order of MMSegmentation's own tools.

    Raises:
        ConfigError: If a flag is empty, or names something that does not exist.
    """
    from mmciss.engine.checks.keys import apply_cfg_options  # it loads MMSegmentation, which --help need not wait for

    check_filled(vars(args), {'config': 'config', 'checkpoint': 'checkpoint'})
    cfg = load_config(args.config)
    if 'launcher' in args:
        cfg.launcher = args.launcher
    apply_overrides(cfg, args)
    apply_cfg_options(cfg, args.cfg_options)
    return cfg


def apply_overrides(cfg: Config, args: Namespace) -> None:
    """Applies ``--method --protocol --setting --order --seed --steps --base-from`` to a config, in place.

    A command need not have the last two.
    """
    if args.method:
        use_method(cfg, args.method)
    if args.protocol or args.setting or args.order:
        if not cfg.get('protocol'):
            cfg.protocol = {}
        if args.protocol:
            cfg.protocol.pop('steps', None)
            cfg.protocol.name = args.protocol
        if args.setting:
            cfg.protocol.setting = args.setting
        if args.order:
            cfg.protocol.order = parse_order(args.order)
    if getattr(args, 'steps', None) is not None:
        cfg.run_steps = parse_steps(args.steps)
    if getattr(args, 'base_from', None):
        cfg.base_from = args.base_from
    if args.seed is not None:
        cfg.merge_from_dict({'randomness.seed': args.seed})


def use_method(cfg: Config, name: str) -> None:
    """Replaces the method of a config by another, in place; other keys of the method's file are merged.

    If the config's folder has its own version of the method, that one is used, and the log says so:
    ``configs/voc6/methods/plop.py`` is the ``plop`` of all configs in ``configs/voc6``.

    Args:
        cfg: The config.
        name: A name from ``configs/_base_/methods``, or a path.
    """
    own = Path(cfg.filename or '').parent / 'methods' / f'{name}.py'
    if cfg.filename and own.is_file():
        print_log(f'--method {name}: using {own}, made for the configs in {own.parent.parent}', logger='current')
        name = str(own)
    chosen = load_method(name).to_dict()
    cfg.pop('method', None)
    cfg.method = chosen.pop('method')
    cfg.merge_from_dict(chosen)


def parse_order(text: str) -> Any:
    """Reads an order: a published letter, a seed, or numbers or names separated by commas."""
    if ',' in text:
        items = [item.strip() for item in text.split(',')]
        return [int(item) if item.isdigit() else item for item in items]
    return int(text) if text.isdigit() else text


def parse_steps(text: str) -> list[int]:
    """Reads which steps to run now: ``2``, ``0-2`` or ``0,1,2``.

    Raises:
        ConfigError: If it cannot be read.
    """
    chosen: set[int] = set()
    for part in text.split(','):
        found = re.fullmatch(r'(\d{1,4})(?:-(\d{1,4}))?', part.strip(), re.ASCII)
        steps = range(int(found[1]), int(found[2] or found[1]) + 1) if found else ()
        if not steps:
            raise ConfigError(f"--steps: cannot read {text!r}; allowed: '2', '0-2' (the smaller first), '0,1,2'")
        chosen |= set(steps)
    return sorted(chosen)
