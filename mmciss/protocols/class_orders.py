"""The published class orders of ``class_orders.yaml``, and the data sets that they are for."""

from __future__ import annotations

from pathlib import Path

from mmciss.utils.text_files import read_yaml

_DATA = read_yaml(Path(__file__).with_suffix('.yaml'))


def _numbers(order: str) -> tuple[int, ...]:
    return tuple(map(int, order.replace('|', ' ').split()))


CLASS_NAMES: dict[str, tuple[str, ...]] = {name: tuple(data['classes']) for name, data in _DATA.items()}
"""Foreground class names by class number, as MMSegmentation writes them; of ADE20K the first ones, enough to know it by."""

NUM_CLASSES: dict[str, int] = {name: data.get('num_classes', len(data['classes'])) for name, data in _DATA.items()}
"""Foreground classes of the data sets whose orders are published."""

ORDERS: dict[str, dict[str, tuple[int, ...]]] = {
    name: {'a': tuple(range(1, NUM_CLASSES[name] + 1))}
    | {letter: _numbers(order) for letter, order in data['orders'].items()}
    for name, data in _DATA.items()
}
"""Class orders by data set and letter; 'a' is the natural one. Each is usable with any protocol."""


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
