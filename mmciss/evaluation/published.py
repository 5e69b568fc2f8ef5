"""The published numbers, as data that a run can be laid beside."""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence
from dataclasses import dataclass

from mmciss.evaluation import published_ade20k, published_cityscapes, published_voc

BASES = {'voc': 20, 'ade20k': 150, 'cityscapes': 19}
"""Number of foreground classes by data set."""

TITLES = {'voc': 'Pascal VOC', 'ade20k': 'ADE20K', 'cityscapes': 'Cityscapes'}
"""What a reader calls the data sets."""

TOLERANCE = 0.15
"""How far a printed ``all`` may be from the weighted mean of the printed old and new, by
rounding."""
_TABLES = (
    ('voc', 'overlapped', published_voc.OVERLAPPED),
    ('voc', 'overlapped', published_voc.OVERLAPPED_SHORT),
    ('voc', 'disjoint', published_voc.DISJOINT),
    ('voc', 'sequential', published_voc.SEQUENTIAL),
    ('ade20k', 'overlapped', published_ade20k.OVERLAPPED),
    ('ade20k', 'explicit', published_ade20k.MIB_LISTS),
    ('cityscapes', 'domain', published_cityscapes.DOMAIN),
    ('cityscapes', 'overlapped', published_cityscapes.OVERLAPPED),
)
_ALIASES = {'finetuning': 'ft', 'finetune': 'ft', 'offline': 'joint'}


@dataclass(frozen=True)
class PublishedResult:
    """One published row, in percent mIoU after the last step.

    Attributes:
        dataset: ``'voc'``, ``'ade20k'`` or ``'cityscapes'``.
        protocol: As in ``'15-1'``.
        setting: As in ``'overlapped'``; ``'explicit'`` stands for image lists that a paper
            published.
        method: As the paper calls it, with the model in parentheses if it is not DeepLabV3 with
            ResNet-101.
        source: Where the number is from.
        trust: ``'official'``, ``'recalled'`` or ``'quoted'``, see
            :mod:`mmciss.evaluation.published_voc`.
        background: Whether old and all count the background; None where that is not known or there
            is none.
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
        """Computes ``all`` from ``old`` and ``new``, as a check; None if they are not given."""
        if self.old is None or self.new is None:
            return None
        base = int(self.protocol.split('-')[0])
        later = BASES[self.dataset] - base
        base += 0 if self.background is False else 1
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
    """Looks published results up; what is None is not asked for.

    Args:
        dataset: ``'voc'``, ``'ade20k'`` or ``'cityscapes'``.
        protocol: As in ``'15-1'``.
        setting: As in ``'overlapped'``.
        methods: Method names in any spelling that :func:`same_method` knows.

    Examples:
        >>> [row.all for row in published('voc', '15-1', 'overlapped', ['PLOP'])]
        [54.64]
    """
    keys = None if methods is None else {method_key(name) for name in methods}
    return tuple(
        row
        for row in all_published()
        if dataset in (None, row.dataset)
        and protocol in (None, row.protocol)
        and setting in (None, row.setting)
        and (keys is None or method_key(row.method) in keys)
    )


def method_key(name: str) -> str:
    """Reduces a method's name to what papers agree on.

    Case, dashes and the order around ``+`` do not matter.

    Examples:
        >>> method_key('MiB + AWT') == method_key('AWT+MiB'), method_key('Fine-tuning')
        (True, 'ft')
    """
    parts = (re.sub(r'[^a-z0-9()]', '', part.lower()) for part in name.split('+'))
    return '+'.join(sorted(_ALIASES.get(part, part) for part in parts))


def dataset_of(class_names: Sequence[str]) -> str | None:
    """Recognises a benchmark by the names of its classes, in any order; None for others."""
    names = {re.sub(r'[^a-z]', '', name.lower()) for name in class_names} - {'background'}
    for dataset, count, known in (
        ('voc', 20, {'aeroplane', 'pottedplant'}),
        ('ade20k', 150, {'wall', 'flag'}),
        ('cityscapes', 19, {'road', 'rider'}),
    ):
        if len(names) == count and known <= names:
            return dataset
    return None


@functools.cache
def all_published() -> tuple[PublishedResult, ...]:
    """Reads all tables."""
    return tuple(row for dataset, setting, text in _TABLES for row in _read(dataset, setting, text))


def _read(dataset: str, setting: str, text: str) -> list[PublishedResult]:
    header, *lines = ([cell.strip() for cell in line.split('|')] for line in text.strip('\n').splitlines())
    rows = []
    for method, source, background, trust, *cells in lines:
        for protocol, cell in zip(header[4:], cells, strict=True):
            if cell == '-':
                continue
            numbers: list[float | None] = [float(number) for number in cell.split('/')]
            old, new, total, average = (
                [None, None] + numbers + [None] if len(numbers) == 1 else numbers + [None] * (4 - len(numbers))
            )
            rows.append(
                PublishedResult(
                    dataset,
                    protocol,
                    setting,
                    method,
                    source,
                    trust,
                    {'yes': True, 'no': False}.get(background),
                    old,
                    new,
                    total,
                    average,
                )
            )
    return rows
