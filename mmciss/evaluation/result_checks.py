"""Checks of ``run.json`` and ``result.json``, which somebody may have changed by hand."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from mmciss.errors import ConfigError

LARGEST_COUNT = 2**53
"""Beyond this, IoU in floating point would not be exact; no data set has so many pixels."""
MOST_STEPS = 10_000


def is_count(value: Any) -> bool:
    """Whether a value is a whole number of pixels, images or the like.

    Examples:
        >>> is_count(3), is_count(-1), is_count(2.0), is_count(True)
        (True, False, False, False)
    """
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= LARGEST_COUNT


def _is_amount(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value) and value >= 0


def _are_numbers(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(item, float | int) and math.isfinite(item) for item in value)


def _are_class_counts(value: Any) -> bool:
    return isinstance(value, dict) and all(
        isinstance(item, dict) and is_count(item.get('images')) and _is_amount(item.get('share'))
        for item in value.values()
    )


def _of(kind: type) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, kind)


def _or_null(fits: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: value is None or fits(value)


COUNT, SWITCH = ('a whole number, 0 or more', is_count), ('true or false', _of(bool))
TEXT, DICTIONARY, LIST = ('text', _of(str)), ('a dictionary', _of(dict)), ('a list', _of(list))
RESULT_KEYS = {
    'seconds': ('a number of seconds', _is_amount),
    **dict.fromkeys(('iterations', 'num_images', 'train_images', 'batch_size'), COUNT),
    'loss_curve': ('a list of numbers', _are_numbers),
    'new_classes': ("a dictionary of {'images': ..., 'share': ...} by class", _are_class_counts),
    **dict.fromkeys(('background', 'data_background'), SWITCH),
    'metrics': DICTIONARY,
    'notes': LIST,
}
"""What reports read from a step's result in addition to classes and counts; each may be missing or null."""
RUN_KEYS = {
    'num_steps': (f'a whole number from 1 to {MOST_STEPS}', lambda value: is_count(value) and 1 <= value <= MOST_STEPS),
    'seed': COUNT,
    'held_out': ('a number, 0 or more', _is_amount),
    **dict.fromkeys(('experiment', 'versions'), DICTIONARY),
    **dict.fromkeys(('method', 'protocol', 'setting', 'dataset', 'machine', 'title'), TEXT),
}
"""The same for ``run.json``."""


def check_keys(path: Path, content: Mapping[str, Any], keys: Mapping[str, tuple[str, Any]]) -> None:
    """Refuses values of the wrong kind under the keys that reports read; other keys are for later versions.

    Raises:
        ConfigError: Naming the file and the key.
    """
    for key, (allowed, fits) in keys.items():
        if content.get(key) is not None and not fits(content[key]):
            raise ConfigError(f'{path}: {key}: {content[key]!r:.60}; allowed is {allowed}')


def check_list(path: Path, key: str, found: Any, allowed: str, fits: Callable[[Any], bool]) -> None:
    """Refuses anything but a list of fitting values.

    Raises:
        ConfigError: Naming the file, the key and the first value that does not fit.
    """
    if not isinstance(found, list):
        raise ConfigError(f'{path}: {key}: {found!r:.60}; allowed is a list of {allowed}')
    for value in found:
        if not fits(value):
            raise ConfigError(f'{path}: {key}: holds {value!r:.60}; allowed are {allowed}')


def check_per_class(path: Path, result: Mapping[str, Any]) -> None:
    """Refuses IoU and names of test sets that do not match the classes; both may be missing.

    Raises:
        ConfigError: Naming the file and the key.
    """
    for key, allowed, fits in (
        ('iou', 'percent or null', _or_null(_is_amount)),
        ('judged_on', 'text or null', _or_null(_of(str))),
    ):
        if result.get(key) is not None:
            check_list(path, key, result[key], allowed, fits)
            if len(result[key]) != len(result['classes']):
                raise ConfigError(f'{path}: {key}: {len(result[key])} entries for {len(result["classes"])} classes')


def check_counts(path: Path, confusion: Any) -> tuple[int, ...]:
    """Refuses a confusion matrix that holds anything but counts of pixels, and returns its shape.

    Raises:
        ConfigError: Naming the file, and row and column of the first value that is not a count.
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
