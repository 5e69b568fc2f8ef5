"""What the command line may change about a config."""

from __future__ import annotations

import re
from argparse import Namespace
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.logging import print_log

from mmciss.errors import ConfigError
from mmciss.utils.configs import load_method


def use_method(cfg: Config, name: str) -> None:
    """Replaces the method of a config by another, in place; other keys of the method's file are merged.

    A method that a folder of configs adapts to its data goes first: ``configs/voc6/methods/plop.py`` is the ``plop`` of
    the configs in ``configs/voc6``. The log says so.

    Args:
        cfg: The config.
        name: A name out of ``configs/_base_/methods``, or a path.
    """
    own = Path(cfg.filename or '').parent / 'methods' / f'{name}.py'
    if cfg.filename and own.is_file():
        print_log(f'--method {name}: {own}, made for the configs beside it', logger='current')
        name = str(own)
    chosen = load_method(name).to_dict()
    cfg.pop('method', None)
    cfg.method = chosen.pop('method')
    cfg.merge_from_dict(chosen)


def parse_order(text: str | None) -> Any:
    """Reads an order: a published letter, a seed, or numbers or names separated by commas."""
    if text is None:
        return None
    if ',' in text:
        items = [item.strip() for item in text.split(',')]
        return [int(item) if item.isdigit() else item for item in items]
    return int(text) if text.isdigit() else text


def parse_steps(text: str | None) -> list[int] | None:
    """Reads which steps to run now: ``2``, ``0-2`` or ``0,1,2``.

    Raises:
        ConfigError: If it cannot be read.
    """
    if text is None:
        return None
    chosen: set[int] = set()
    for part in text.split(','):
        found = re.fullmatch(r'(\d{1,4})(?:-(\d{1,4}))?', part.strip(), re.ASCII)
        steps = range(int(found[1]), int(found[2] or found[1]) + 1) if found else ()
        if not steps:
            raise ConfigError(f"--steps: cannot read {text!r}; allowed: '2', '0-2' (the smaller first), '0,1,2'")
        chosen |= set(steps)
    return sorted(chosen)


def apply_overrides(cfg: Config, args: Namespace) -> None:
    """Applies ``--method --protocol --setting --order --steps --base-from --seed`` to a config, in place.

    Raises:
        ConfigError: If a flag is empty (a shell variable without a value), or names what does not exist.
    """
    for name in ('method', 'protocol', 'setting', 'order', 'base_from'):
        if getattr(args, name) == '':
            raise ConfigError(f'--{name.replace("_", "-")}: is empty; leave the flag out, or give it a value')
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
    if args.steps is not None:
        cfg.run_steps = parse_steps(args.steps)
    if args.base_from:
        cfg.base_from = args.base_from
    if args.seed is not None:
        cfg.merge_from_dict({'randomness.seed': args.seed})
