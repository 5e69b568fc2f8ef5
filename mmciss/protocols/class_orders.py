"""Classes and class orders: the published orders of ``class_orders.yaml``, and those that users give."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from numbers import Integral
from pathlib import Path
from typing import Any

import numpy as np

from mmciss.errors import ConfigError, close_matches
from mmciss.protocols.step import BACKGROUND, MAX_CHANNELS
from mmciss.utils.text_files import read_yaml

_DATA = read_yaml(Path(__file__).with_suffix('.yaml'))


def _numbers(order: str) -> tuple[int, ...]:
    return tuple(map(int, order.replace('|', ' ').split()))


CLASS_NAMES: dict[str, tuple[str, ...]] = {name: tuple(data['classes']) for name, data in _DATA.items()}
"""Foreground class names by class number, as MMSegmentation writes them; of ADE20K only the first."""

NUM_CLASSES: dict[str, int] = {name: data.get('num_classes', len(data['classes'])) for name, data in _DATA.items()}
"""Foreground classes of the data sets whose orders are published."""

ORDERS: dict[str, dict[str, tuple[int, ...]]] = {
    name: {'a': tuple(range(1, NUM_CLASSES[name] + 1))}
    | {letter: _numbers(order) for letter, order in data['orders'].items()}
    for name, data in _DATA.items()
}
"""Class orders by data set and letter; 'a' is the natural one. Each is usable with any protocol."""

DOMAINS: dict[str, tuple[str, ...]] = {
    name: tuple(data['domains']) for name, data in _DATA.items() if 'domains' in data
}
"""Published domains by data set, in order of arrival."""


def recognise(class_names: tuple[str, ...]) -> str | None:
    """Returns the data set that has these foreground classes, or None.

    Examples:
        >>> recognise(CLASS_NAMES['voc'])
        'voc'
    """
    return next(
        (
            dataset
            for dataset, known in CLASS_NAMES.items()
            if len(class_names) == NUM_CLASSES[dataset] and tuple(class_names[: len(known)]) == known
        ),
        None,
    )


def check_class_names(class_names: Sequence[str] | None, num_classes: int | None) -> tuple[str, ...]:
    """Returns the foreground class names by class number; without names they become ``class_1``, ``class_2``...

    Raises:
        ConfigError: If names repeat, include the background, or do not match the number of classes.
    """
    if class_names is None:
        if not num_classes or num_classes < 1:
            raise ConfigError(f'protocol: {num_classes!r} classes; at least one is needed')
        class_names = [f'class_{number}' for number in range(1, num_classes + 1)]
    names = tuple(map(str, class_names))
    if num_classes is not None and len(names) != num_classes:
        raise ConfigError(f'protocol: {len(names)} class names for {num_classes} classes')
    if BACKGROUND in names:
        raise ConfigError(f'protocol: class names must not include {BACKGROUND!r}')
    if repeated := _repeated(names):
        raise ConfigError(f'protocol: class names listed twice: {repeated}')
    if not 0 < len(names) < MAX_CHANNELS:
        raise ConfigError(f'protocol: {len(names)} classes; allowed are 1 to {MAX_CHANNELS - 1}')
    return names


def class_number(item: Any, class_names: Sequence[str], key: str) -> int:
    """Returns the number of a class given by number or name.

    Raises:
        ConfigError: If there is no such class, with a suggestion for a misspelt name.

    Examples:
        >>> class_number('cat', ['dog', 'cat'], 'protocol.order')
        2
    """
    if isinstance(item, str):
        if item in class_names:
            return list(class_names).index(item) + 1
        shown = [*class_names[:20], '...'] if len(class_names) > 20 else class_names
        hint = close_matches(item, class_names) or f' Allowed: {", ".join(shown)}'
        raise ConfigError(f'{key}: unknown class {item!r}.{hint}')
    if not isinstance(item, Integral) or isinstance(item, bool):
        raise ConfigError(f'{key}: {item!r} is neither the number nor the name of a class')
    number = int(item)
    if number == 0:
        raise ConfigError(
            f'{key}: 0 is the background, which the first step always includes; '
            f'list only the classes 1 to {len(class_names)}'
        )
    if not 1 <= number <= len(class_names):
        raise ConfigError(f'{key}: there is no class {number}; allowed are 1 to {len(class_names)}')
    return number


def check_permutation(numbers: Sequence[int], class_names: Sequence[str], key: str) -> None:
    """Checks that every class is listed exactly once.

    Raises:
        ConfigError: Naming the missing or repeated classes.
    """
    if repeated := _repeated(numbers):
        raise ConfigError(f'{key}: listed more than once: {_titles(repeated, class_names)}')
    if missing := sorted(set(range(1, len(class_names) + 1)) - set(numbers)):
        raise ConfigError(
            f'{key}: missing: {_titles(missing, class_names)}; each of the {len(class_names)} classes must be '
            f'listed once'
        )


def describe_order(order: Any, limit: int | None = None) -> str:
    """Says in words which order a config asks for, see :func:`read_order`.

    Args:
        order: As in the config.
        limit: At most so many names of a list; all if None.

    Examples:
        >>> describe_order(None), describe_order('b'), describe_order(3)
        ('natural', 'b', 'drawn with seed 3')
        >>> describe_order(['cat', 'dog', 'cow']), describe_order(['cat', 'dog', 'cow'], 2)
        ('cat, dog, cow', 'cat, dog, ...')
    """
    if order is None or isinstance(order, str):
        return order or 'natural'
    if isinstance(order, Iterable):
        items = list(map(str, order))
        return ', '.join(items[:limit]) + ', ...' * (limit is not None and len(items) > limit)
    return f'drawn with seed {order}'


def read_order(order: Any, class_names: Sequence[str], dataset: str | None = None) -> tuple[int, ...]:
    """Returns the class numbers in order of arrival.

    Args:
        order: None for the natural order, the letter of a published order, a seed, or a list of all classes by number
            or name.
        class_names: Foreground class names by class number.
        dataset: ``'voc'``, ``'ade20k'`` or ``'cityscapes'``: where letters are looked up.

    Raises:
        ConfigError: If the order is unknown or not a permutation of the classes.

    Examples:
        >>> read_order(['c', 'a', 2], ['a', 'b', 'c'])
        (3, 1, 2)
    """
    key = 'protocol.order'
    total = len(class_names)
    if order is None:
        return tuple(range(1, total + 1))
    if isinstance(order, str):
        return _published_order(order, total, dataset)
    if isinstance(order, Integral) and not isinstance(order, bool):
        seed = int(order)
        if not 0 <= seed < 2**32:
            raise ConfigError(f'{key}: the seed {seed} is outside 0 to {2**32 - 1}')
        # NumPy never changes RandomState's stream, so a seed always gives the same order.
        return tuple(int(number) + 1 for number in np.random.RandomState(seed).permutation(total))
    if not isinstance(order, Iterable):
        raise ConfigError(f'{key}: {order!r}; allowed are a letter, a seed, a list of all classes, or None')
    numbers = tuple(class_number(item, class_names, key) for item in order)
    check_permutation(numbers, class_names, key)
    return numbers


def _published_order(letter: str, total: int, dataset: str | None) -> tuple[int, ...]:
    if letter in ('a', 'natural'):
        return tuple(range(1, total + 1))
    key = 'protocol.order'
    if dataset not in ORDERS:
        raise ConfigError(
            f'{key}: no order {letter!r} is published for this data set (there are lettered orders '
            f'for {", ".join(ORDERS)}); use a list of all classes or a seed'
        )
    if NUM_CLASSES[dataset] != total:
        raise ConfigError(f'{key}: the orders of {dataset} have {NUM_CLASSES[dataset]} classes, the data set {total}')
    if letter not in ORDERS[dataset]:
        raise ConfigError(
            f'{key}: unknown order {letter!r} of {dataset}. Allowed: '
            f'{", ".join(ORDERS[dataset])}, a list of all classes, or a seed'
        )
    return ORDERS[dataset][letter]


def _repeated(items: Sequence[Any]) -> list[Any]:
    return sorted({item for item in items if list(items).count(item) > 1})


def _titles(numbers: Iterable[int], class_names: Sequence[str]) -> str:
    return ', '.join(f'{number} ({class_names[number - 1]})' for number in numbers)
