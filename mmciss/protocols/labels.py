"""How a step treats void, old and future labels: one policy, two lookup tables.

This is where papers differ most: MiB ignores future classes when testing, PLOP counts them as background, and so on;
published numbers depend on it. All conversions between ids in mask files, ids of a data set, class numbers and
channels are in this file.

``first_id`` distinguishes two kinds of data sets. With 1, id 0 is a background class and ids are class numbers (PASCAL
VOC). With 0, there is no background class, ids are class numbers minus 1, and pixels of no class are 255 (ADE20K and
Cityscapes as MMSegmentation reads them); on ADE20K this 255 is id 0 in the papers. Cityscapes has both kinds, see
:class:`~mmciss.datasets.cityscapes_label_ids.CityscapesLabelIdsDataset`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np

from mmciss.errors import ConfigError, unknown_name
from mmciss.protocols.step import Step

IGNORE = 255
"""The label of pixels that losses and metrics skip."""

UNKNOWN = 254
"""The label of pixels that show something, but none of the classes that are told apart: no channel, and not ignored.

In data that label only new classes this is any other class; after SSUL's labeler it is an object without a name.
"""

BACKGROUND_NAMES = ('background', '_background_', '__background__', 'bg')
"""Names of class 0 that mean 'none of the classes'; compared in lower case."""

ALLOWED: dict[str, tuple[str, ...]] = {
    'void_train': ('background', 'ignore'),
    'old_train': ('background', 'keep', 'ignore'),
    'future_train': ('background', 'keep', 'ignore'),
    'void_test': ('ignore', 'background'),
    'future_test': ('ignore', 'background'),
    'test_images': ('seen', 'all'),
}
"""What each field of a policy may be."""


@dataclass(frozen=True)
class LabelPolicy:
    """How labels other than those of a step's new classes are treated.

    Attributes:
        void_train: Pixels of no class (255) in training.
        old_train: Pixels of classes learned before, in training. ``'keep'`` gives them their own channel.
        future_train: Pixels of classes learned later, in training. With ``'keep'`` they are ignored, since they have
            no channel yet.
        void_test: Pixels of no class (255) in testing.
        future_test: Pixels of classes learned later, in testing.
        test_images: Whether to test on images that show a seen class, or on all.

    Examples:
        >>> step = Step(1, (2,), (1,), (2, 1), ('background', 'a', 'b'))
        >>> LabelPolicy().train_table(step, num_classes=3, first_id=1)[[0, 1, 2, 3, 255]]
        array([  0,   0,   2,   0, 255], dtype=uint8)
    """

    void_train: str = 'ignore'
    old_train: str = 'background'
    future_train: str = 'background'
    void_test: str = 'ignore'
    future_test: str = 'background'
    test_images: str = 'seen'

    def __post_init__(self) -> None:
        for field in fields(self):
            if getattr(self, field.name) not in ALLOWED[field.name]:
                raise unknown_name(
                    'choice', getattr(self, field.name), ALLOWED[field.name], f'protocol.label_policy.{field.name}'
                )

    def train_table(self, step: Step, num_classes: int, first_id: int) -> np.ndarray:
        """Returns the (256,) uint8 table from a data set's id to the channel to learn, or 255.

        A step that learns no new class (domain-incremental) keeps the labels of old classes.

        Args:
            step: The step.
            num_classes: Number of foreground classes of the data set.
            first_id: The data set's id of class 1: 1 with a background class, else 0.
        """
        old = self.old_train if step.new else 'keep'
        return self._table(step, num_classes, first_id, self.void_train, old, self.future_train)

    def test_table(self, step: Step, num_classes: int, first_id: int) -> np.ndarray:
        """Returns the (256,) uint8 table from a data set's id to the channel to predict, or 255."""
        return self._table(step, num_classes, first_id, self.void_test, 'keep', self.future_test)

    @staticmethod
    def _table(step: Step, num_classes: int, first_id: int, void: str, old: str, future: str) -> np.ndarray:
        _check_ids_fit(num_classes, first_id)
        # Without a background channel, background pixels can only be ignored.
        value = {'background': 0 if step.background else IGNORE, 'ignore': IGNORE, 'keep': IGNORE}
        table = np.full(256, IGNORE, dtype=np.uint8)
        if first_id == 1:
            table[0] = value['background']
        table[first_id : first_id + num_classes] = value[future]
        for numbers, choice in ((step.old, old), (step.new, 'keep')):
            for number in numbers:
                channel = step.channel_of[number] if choice == 'keep' else value[choice]
                table[number - 1 + first_id] = channel
        table[IGNORE] = value[void]
        return table


_WITH_BACKGROUND: dict[str, dict[str, str]] = {
    'mib': dict(void_train='background', future_test='ignore'),
    'plop': dict(),
    'dkd': dict(),
    'ssul': dict(future_test='ignore', test_images='all'),
}
_WITHOUT_BACKGROUND: dict[str, dict[str, str]] = {
    'mib': dict(void_train='background', future_test='ignore'),
    'plop': dict(void_train='background', void_test='background'),
    'dkd': dict(void_train='background', void_test='background', future_test='ignore'),
    'ssul': dict(void_train='background', void_test='background', future_test='ignore', test_images='all'),
}
_SAME_AS = {'sdr': 'mib', 'awt': 'plop', 'rcil': 'plop', 'gsc': 'plop'}

PRESETS = (*_WITH_BACKGROUND, *_SAME_AS)
"""Names of the papers' policies."""


def label_policy(
    value: str | Mapping[str, str] | LabelPolicy | None = 'plop', first_id: int = 1, setting: str = 'overlapped'
) -> LabelPolicy:
    """Returns the policy that a config asks for.

    Args:
        value: A preset; a dictionary of fields, with ``preset`` for the others (default ``'plop'``); or a policy,
            which is returned unchanged.
        first_id: The data set's id of class 1: 1 with a background class, else 0. Presets follow the papers for both
            kinds of data.
        setting: ``'sequential'`` and ``'domain'`` keep old labels, unless the dictionary says otherwise.

    Raises:
        ConfigError: If a preset, a field or a choice is unknown.

    Examples:
        >>> label_policy('mib').future_test, label_policy('plop').future_test
        ('ignore', 'background')
    """
    if isinstance(value, LabelPolicy):
        return value
    key = 'protocol.label_policy'
    if not isinstance(value, (str, Mapping, type(None))):
        raise ConfigError(f'{key}: must be a preset ({", ".join(PRESETS)}) or a dictionary of fields, found {value!r}')
    changes: dict[str, str] = {'preset': value} if isinstance(value, str) else dict(value or {})
    name = str(changes.pop('preset', 'plop')).lower()
    if name not in PRESETS:
        raise unknown_name('preset', name, PRESETS, key)
    known = [field.name for field in fields(LabelPolicy)]
    for field in changes:
        if field not in known:
            raise unknown_name('field', field, [*known, 'preset'], key)
    presets = _WITH_BACKGROUND if first_id == 1 else _WITHOUT_BACKGROUND
    chosen = LabelPolicy(**presets[_SAME_AS.get(name, name)])
    if setting in ('sequential', 'domain'):
        chosen = replace(chosen, old_train='keep')
    return replace(chosen, **changes)


def class_of_id(num_classes: int, first_id: int) -> np.ndarray:
    """Returns the (256,) int16 table from a data set's id to its class number.

    0 is the background (and 255 in data without a background class); -1 means no class.

    Examples:
        >>> class_of_id(2, first_id=0)[[0, 1, 2, 255]]
        array([ 1,  2, -1,  0], dtype=int16)
    """
    _check_ids_fit(num_classes, first_id)
    table = np.full(256, -1, dtype=np.int16)
    table[first_id : first_id + num_classes] = np.arange(1, num_classes + 1)
    table[0 if first_id == 1 else IGNORE] = 0
    return table


def dataset_id_table(reduce_zero_label: bool = False, label_map: Mapping[int, int] | None = None) -> np.ndarray:
    """Returns the (256,) uint8 table from an id in a mask file to the data set's id, as ``LoadAnnotations`` maps it.

    Args:
        reduce_zero_label: Turns 0 into 255 (ignored) and lowers every other id by one; 255 stays.
        label_map: Applied after that; ids that it does not list stay.

    Examples:
        >>> dataset_id_table(reduce_zero_label=True)[[0, 1, 150, 255]]
        array([255,   0, 149, 255], dtype=uint8)
    """
    table = np.arange(256)
    if reduce_zero_label:
        table = table - 1
        table[[0, 255]] = 255
    mapped = np.arange(256)
    for old, new in (label_map or {}).items():
        mapped[old] = new
    return mapped[table].astype(np.uint8)


def unknown_ids(present_ids: Iterable[int], num_classes: int, first_id: int) -> list[int]:
    """Returns the ids that are neither a class, nor the background, nor 255.

    Examples:
        >>> unknown_ids([0, 3, 21, 255], num_classes=20, first_id=1)
        [21]
    """
    _check_ids_fit(num_classes, first_id)
    last = first_id + num_classes - 1
    return sorted(int(item) for item in set(present_ids) if not (0 <= item <= last or item == IGNORE))


def check_ids(present_ids: Iterable[int], num_classes: int, first_id: int, where: Any = 'masks') -> None:
    """Refuses ids that belong to no class; a lookup table would hide them.

    Args:
        present_ids: The ids found, as MMSegmentation's loader gives them.
        num_classes: Number of foreground classes of the data set.
        first_id: The data set's id of class 1.
        where: The file or files they were found in.

    Raises:
        ConfigError: Naming the ids.
    """
    if wrong := unknown_ids(present_ids, num_classes, first_id):
        raise ConfigError(
            f'{where}: label ids {", ".join(map(str, wrong))} belong to no class; allowed are '
            f'0 to {first_id + num_classes - 1} and 255. Do the masks belong to this data set '
            f'(metainfo.classes, reduce_zero_label)?'
        )


def _check_ids_fit(num_classes: int, first_id: int) -> None:
    if first_id not in (0, 1):
        raise ValueError(f'first_id: {first_id!r}; allowed are 1 (id 0 is the background) and 0')
    if not 0 < num_classes <= IGNORE - first_id:
        raise ValueError(f'num_classes: {num_classes}; allowed are 1 to {IGNORE - first_id}')
