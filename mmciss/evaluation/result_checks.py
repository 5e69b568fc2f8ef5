"""What a step's result can hold, told from what was changed by hand."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from mmciss.errors import ConfigError


def is_count(value: Any) -> bool:
    """Whether a value is a whole number, 0 or more.

    Examples:
        >>> is_count(3), is_count(-1), is_count(2.0), is_count(True)
        (True, False, False, False)
    """
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def check_list(path: Path, key: str, found: Any, allowed: str, fits: Callable[[Any], bool]) -> None:
    """Refuses what is no list of fitting values.

    Raises:
        ConfigError: Naming the file, the key and the first value that does not fit.
    """
    if not isinstance(found, list):
        raise ConfigError(f'{path}: {key}: {found!r:.60}; allowed is a list of {allowed}')
    for value in found:
        if not fits(value):
            raise ConfigError(f'{path}: {key}: holds {value!r:.60}; allowed are {allowed}')


def check_counts(path: Path, confusion: Any) -> tuple[int, ...]:
    """Refuses confusion matrices that count no pixels, and returns the shape.

    Raises:
        ConfigError: Naming the file, and row and column of the first value that is no count.
    """
    check_list(path, 'confusion', confusion, 'rows of pixel counts', lambda row: isinstance(row, list))
    for index, row in enumerate(confusion):
        for column, value in enumerate(row):
            if not is_count(value):
                raise ConfigError(
                    f'{path}: confusion, row {index}, column {column}: {value!r:.60}; allowed are '
                    f'numbers of pixels, whole and not negative'
                )
    lengths = {len(row) for row in confusion}
    if len(lengths) > 1:
        raise ConfigError(f'{path}: confusion: its rows have {min(lengths)} to {max(lengths)} values')
    return (len(confusion), *lengths)
