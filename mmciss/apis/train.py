"""The command line of training."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mmengine.config import Config

from mmciss.apis.command import command_parser, run_command
from mmciss.apis.overrides import add_launcher_arguments, add_protocol_arguments, add_step_arguments, read_config
from mmciss.errors import ConfigError

EXAMPLES = """examples:
  mmciss train configs/shapes/shapes_15-1.py
  mmciss train configs/ciss/deeplabv3_r101_voc_15-1.py --method plop --order b --seed 1 --amp
  mmciss train my_config.py --work-dir work_dirs/mine --resume"""


def parse_args(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Parses the command line."""
    parser = command_parser('Train a segmentor step by step', EXAMPLES)
    parser.add_argument('config', help='config file')
    parser.add_argument(
        '--work-dir',
        metavar='DIR',
        help='folder for logs, models and the report (default: in work_dirs, named after the config and the options)',
    )
    parser.add_argument('--resume', action='store_true', help='continue an interrupted run')
    parser.add_argument(
        '--check-data',
        action='store_true',
        help='decode every image and mask before training, on all cores, and name what cannot be read',
    )
    parser.add_argument('--amp', action='store_true', help='train in mixed precision (bfloat16 on CPUs)')
    parser.add_argument('--verbose', action='store_true', help='print the whole log of mmengine')
    add_step_arguments(parser)
    add_protocol_arguments(parser)
    add_launcher_arguments(parser)
    args = parser.parse_args(arguments)
    os.environ.setdefault('LOCAL_RANK', str(args.local_rank))
    return args


def config_from_args(args: argparse.Namespace) -> Config:
    """Loads the config of a run and applies the command line to it.

    Raises:
        ConfigError: If something named does not exist.
    """
    cfg = read_config(args)
    if args.work_dir is not None:
        cfg.work_dir = args.work_dir
    elif cfg.get('work_dir') is None:
        parts = [
            Path(args.config).stem,
            args.method,
            args.protocol,
            args.setting,
            args.order and f'order{args.order}',
            None if args.seed is None else f'seed{args.seed}',
        ]
        cfg.work_dir = str(Path('work_dirs') / '_'.join(str(part).replace('/', '-') for part in parts if part))
    if args.amp and cfg.optim_wrapper.type == 'OptimWrapper':
        cfg.optim_wrapper.type = 'AmpOptimWrapper'
        cfg.optim_wrapper.loss_scale = 'dynamic'
    cfg.resume = args.resume
    if args.verbose:
        cfg.display = 'verbose'
    if args.check_data:
        cfg.check_data = True
    return cfg


def train(cfg: Config) -> list[dict[str, Any]]:
    """Learns a protocol.

    Args:
        cfg: A config with ``protocol`` and ``work_dir``.

    Returns:
        The result of every step.
    """
    from mmciss.engine import IncrementalRunner

    return IncrementalRunner.from_cfg(cfg).train()


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line; wrong input ends with one line instead of a traceback."""
    args = parse_args(arguments)

    def with_method(method: str) -> Config:
        return config_from_args(argparse.Namespace(**{**vars(args), 'method': method}))

    def work() -> None:
        import mmciss.register_all
        from mmciss.apis.working_methods import with_working_file

        try:
            train(config_from_args(args))
        except ConfigError as error:
            raise with_working_file(error, args.method, with_method) from error

    return run_command(work)


if __name__ == '__main__':
    sys.exit(main())
