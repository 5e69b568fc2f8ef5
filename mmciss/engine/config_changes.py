"""Changes of a config by dotted keys: each reaches something, or is refused."""

from __future__ import annotations

import difflib
import logging
from collections.abc import Mapping
from typing import Any

from mmengine.config import Config
from mmengine.logging import print_log

from mmciss.engine.known_keys import known_keys
from mmciss.errors import ConfigError, close_matches
from mmciss.utils.blame import blaming

FLAG = '--cfg-options'


def apply_cfg_options(cfg: Config, options: Mapping[str, Any] | None) -> None:
    """Merges changes into a config, in place.

    Args:
        cfg: The config.
        options: Values by dotted keys.

    Raises:
        ConfigError: If a key is one that neither the config has nor anything reads, or does not fit the config.
    """
    for key in options or {}:
        first = key.split('.')[0]
        if first in known_keys():
            continue
        if first not in cfg:
            raise ConfigError(
                f'{FLAG} {key}: the config has no key {first!r}, and nothing reads one.{_meant(key, cfg)}'
            )
        print_log(
            f'{FLAG} {key}: {first!r} is a variable of the config file. What the file made of it stays as it is; '
            f'change the keys that hold it',
            level=logging.WARNING,
        )
    if options:
        with blaming(f'{FLAG} {" ".join(options)}'):
            cfg.merge_from_dict(dict(options))


def _meant(key: str, cfg: Config) -> str:
    """Returns what was probably meant: a top-level key of that name, or one inside the config."""
    first = key.split('.')[0]
    close = close_matches(first, known_keys(), 1, 0.7)
    if close:
        return close
    inside = [
        f'{outer}.{name}'
        for outer in cfg
        if outer in known_keys() and isinstance(cfg[outer], Mapping)
        for name in cfg[outer]
        if difflib.SequenceMatcher(None, first, str(name)).ratio() > 0.85
    ]
    return f' Did you mean {" or ".join(map(repr, inside[:3]))}?' if inside else ''
