"""The published numbers of ``published_results/*.yaml``, to compare runs with."""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmciss.protocols.class_orders import NUM_CLASSES
from mmciss.utils.text_files import read_yaml

FOLDER = Path(__file__).with_name('published_results')

TITLES = {'voc': 'Pascal VOC', 'ade20k': 'ADE20K', 'cityscapes': 'Cityscapes'}
"""Names of the data sets in reports."""

TOLERANCE = 0.15
"""How far, by rounding, a printed ``all`` may be from the weighted mean of the printed old and new."""
_TELLING = {'voc': {'aeroplane', 'pottedplant'}, 'ade20k': {'wall', 'flag'}, 'cityscapes': {'road', 'rider'}}
_ALIASES = {'finetuning': 'ft', 'finetune': 'ft', 'offline': 'joint'}


@dataclass(frozen=True)
class PublishedResult:
    """One published row, in percent mIoU after the last step.

    Attributes:
        dataset: ``'voc'``, ``'ade20k'`` or ``'cityscapes'``.
        protocol: As in ``'15-1'``.
        setting: As in ``'overlapped'``; ``'explicit'`` stands for image lists that a paper published.
        method: As the paper calls it, with the model in parentheses if it is not DeepLabV3 with ResNet-101.
        source: Where the number is from.
        trust: ``'official'``, ``'recalled'`` or ``'quoted'``; the data files say what that means.
        background: Whether old and all count the background; None where that is not known or there is none.
        old: Mean over the classes of step 0, or None.
        new: Mean over all later classes, or None.
        all: Mean over all classes.
        average: Mean of ``all`` over the steps, or None.
    """

    dataset: str
    protocol: str
    setting: str
    method: str
    source: str
    trust: str
    background: bool | None
    old: float | None
    new: float | None
    all: float
    average: float | None

    def weighted_mean(self) -> float | None:
        """Computes ``all`` from ``old`` and ``new`` as a check; None if they are not given."""
        if self.old is None or self.new is None:
            return None
        base = int(self.protocol.split('-')[0])
        later = NUM_CLASSES[self.dataset] - base
        base += self.background is not False
        return (base * self.old + later * self.new) / (base + later)

    @property
    def note(self) -> str:
        """A warning where the printed numbers contradict each other; they are kept as printed."""
        mean = self.weighted_mean()
        if mean is None or abs(mean - self.all) <= TOLERANCE:
            return ''
        return f'as printed; old and new average to {mean:.1f}'


def published(
    dataset: str | None = None,
    protocol: str | None = None,
    setting: str | None = None,
    methods: Sequence[str] | None = None,
) -> tuple[PublishedResult, ...]:
    """Looks published results up; None stands for all of them.

    Args:
        dataset: ``'voc'``, ``'ade20k'`` or ``'cityscapes'``.
        protocol: As in ``'15-1'``.
        setting: As in ``'overlapped'``.
        methods: Names of methods, in any spelling that :func:`method_key` knows.

    Examples:
        >>> [row.all for row in published('voc', '15-1', 'overlapped', ['PLOP'])]
        [54.64]
    """
    keys = None if methods is None else {method_key(name) for name in methods}
    return tuple(
        row
        for row in (all_published() if dataset is None else _read(dataset))
        if protocol in (None, row.protocol)
        and setting in (None, row.setting)
        and (keys is None or method_key(row.method) in keys)
    )


def method_key(name: str) -> str:
    """Reduces a method's name to what papers agree on: case, dashes and the order around ``+`` do not matter.

    Examples:
        >>> method_key('MiB + AWT') == method_key('AWT+MiB'), method_key('Fine-tuning')
        (True, 'ft')
    """
    parts = (re.sub(r'[^a-z0-9()]', '', part.lower()) for part in name.split('+'))
    return '+'.join(sorted(_ALIASES.get(part, part) for part in parts))


@functools.cache
def models_background(method: str) -> bool:
    """Whether a method accounts for old classes in what labels call background, as ``methods.yaml`` says."""
    return method_key(method) in map(method_key, read_yaml(FOLDER / 'methods.yaml')['models_background'])


def dataset_of(class_names: Sequence[str]) -> str | None:
    """Recognises a benchmark by the names of its classes, in any order; None for others."""
    names = {re.sub(r'[^a-z]', '', name.lower()) for name in class_names} - {'background'}
    fits = (dataset for dataset, telling in _TELLING.items() if len(names) == NUM_CLASSES[dataset] and telling <= names)
    return next(fits, None)


def all_published() -> tuple[PublishedResult, ...]:
    """Returns every row of every data set."""
    return tuple(row for dataset in NUM_CLASSES for row in _read(dataset))


@functools.cache
def _read(dataset: str) -> tuple[PublishedResult, ...]:
    """Reads the file of a data set; returns nothing for a data set that is not a benchmark."""
    if dataset not in NUM_CLASSES:
        return ()
    tables = read_yaml(FOLDER / f'{dataset}.yaml')['tables']
    return tuple(
        result for table in tables for row in table['rows'] for result in _read_row(dataset, table['setting'], row)
    )


def _read_row(dataset: str, setting: str, row: dict[str, Any]) -> list[PublishedResult]:
    facts = {key: row.pop(key) for key in ('method', 'source', 'trust', 'background')}
    results = []
    for protocol, cell in row.items():  # all; or old, new, all; or old, new, all, average
        old, new, total, average = [*cell, None][:4] if isinstance(cell, list) else (None, None, cell, None)
        scores = dict(old=old, new=new, all=total, average=average)
        results.append(PublishedResult(dataset, protocol, setting, **facts, **scores))
    return results
