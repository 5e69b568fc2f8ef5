"""The flag ``--cfg-options``."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any

from mmengine.config import DictAction


class CfgOptions(DictAction):
    """mmengine's reader of ``key=value``, whose errors are those of the command line."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: Any,
        option_string: str | None = None,
    ) -> None:
        """Reads every ``key=value``; ends the program where one cannot be read."""
        for item in values if isinstance(values, Sequence) else ():
            key, equals, _ = item.partition('=')
            if not equals or not all(part.strip() for part in key.split('.')):
                parser.error(
                    f'argument --cfg-options: cannot read {item!r}; key=value is needed, such as steps.base.iters=100'
                )
            try:
                super().__call__(parser, namespace, [item], option_string)
            except (AssertionError, ValueError, RecursionError) as error:
                parser.error(f'argument --cfg-options: cannot read {item!r}: {error}')
