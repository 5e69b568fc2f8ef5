"""What the ids in masks mean, and which label each id gets."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mmciss.datasets.labelled_data import LabelledData
from mmciss.errors import ConfigError, names, prefixed, unknown_name
from mmciss.protocols.labels import BACKGROUND_NAMES, IGNORE, UNKNOWN, dataset_id_table
from mmciss.protocols.scan import MaskScan, load_or_scan
from mmciss.protocols.step import Step

CONVENTIONS = ('auto', 'new', 'final', 'old')
"""What ids of masks in folders mean: ``'new'``: 1..n are the new classes in the order of ``--classes``, 0 is not
labelled; ``'final'``: ids of the extended model; ``'old'``: ids of the old model; ``'auto'``: whichever fits."""

_OF_MODEL = 'ids of the {} model'
Reading = tuple[dict[int, int], str, frozenset[int]]
"""Table, meaning and labelled channels as in :class:`ReadMasks`."""


@dataclass(frozen=True)
class ReadMasks:
    """Masks and the meaning of their ids.

    Attributes:
        data: The pairs.
        table: From ids in the files to labels: a channel of the extended model, :data:`UNKNOWN` (any class but the new
            ones) or 255 (ignored).
        meaning: The convention, in words.
        pixels: Pixels per image and label, ``(images, 256)``.
        labelled: The channels that the masks label.
    """

    data: LabelledData
    table: dict[int, int]
    meaning: str
    pixels: np.ndarray
    labelled: frozenset[int]

    @property
    def totals(self) -> np.ndarray:
        """Pixels per label, ``(256,)``."""
        return self.pixels.sum(0)

    def training_table(self, unlabelled: int) -> dict[int, int]:
        """Returns the table for training, with :data:`UNKNOWN` replaced by the label that the method expects."""
        return {raw: unlabelled if label == UNKNOWN else label for raw, label in self.table.items()}

    def check_shows(self, channels: range, what: str) -> None:
        """Rejects test sets without a pixel of certain channels, on which nothing could be measured.

        Raises:
            ConfigError: Naming the flag.
        """
        if not self.totals[channels].any():
            raise ConfigError(
                f'{self.data.source}: no pixel of {what} is labelled in {len(self.data.pairs)} masks ({self.meaning}); '
                f'there is nothing to measure.'
            )

    def check_every_new_class(self, step: Step) -> None:
        """Rejects training data without a pixel of a new class.

        Raises:
            ConfigError: Naming the classes and the ids that were found.
        """
        found = [name for channel, name in enumerate(step.names) if self.totals[channel]]
        missing = [name for name in step.names[step.num_old :] if name not in found]
        if missing:
            ignored = int(self.totals[IGNORE])
            hint = f' {ignored} pixels are 255, which means ignored; a class needs an id of its own.' if ignored else ''
            raise ConfigError(
                f'{self.data.flag}: no labelled pixel of {", ".join(missing)} in {len(self.data.pairs)} masks; '
                f'labelled are {", ".join(found) or "no classes"} ({self.meaning}).{hint}'
            )


def read_masks(
    data: LabelledData, step: Step, convention: str = 'auto', training: bool = False, like: ReadMasks | None = None
) -> ReadMasks:
    """Finds out what the ids in masks mean.

    Args:
        data: The pairs.
        step: Old and new classes.
        convention: One of :data:`CONVENTIONS`; ignored if there are class names (data sets of MMSegmentation), which
            decide.
        training: Whether new classes must be labelled, which excludes some meanings.
        like: Other masks of the same extension, whose meaning is tried first.

    Raises:
        ConfigError: If masks are unreadable or hold ids that match no class.
    """
    if convention not in CONVENTIONS:
        raise unknown_name('meaning of ids', convention, CONVENTIONS, '--mask-ids')
    with prefixed(data.flag):
        scan = load_or_scan([pair.mask for pair in data.pairs])
    if data.names is None:
        table, meaning, labelled = _by_convention(scan, data, step, _choices(convention, scan, step, training, like))
    else:
        table, meaning, labelled = _by_names(scan, data, data.names, step)
    lookup = np.full(256, IGNORE, dtype=np.int64)
    lookup[list(table)] = list(table.values())
    dense = scan.dense()
    pixels = np.zeros_like(dense)
    np.add.at(pixels.T, lookup, dense.T)
    return ReadMasks(data, table, meaning, pixels, labelled)


def _choices(convention: str, scan: MaskScan, step: Step, training: bool, like: ReadMasks | None) -> tuple[str, ...]:
    """Returns the conventions that may be meant, the likeliest first."""
    if convention != 'auto':
        return (convention,)
    if training and not np.isin(scan.ids, range(step.num_old, step.num_seen)).any():
        return ('new',)  # as ids of the extended model they would show no new class
    return ('final', 'new') if like is not None and like.meaning == _OF_MODEL.format('final') else ('new', 'final')


def _by_convention(scan: MaskScan, data: LabelledData, step: Step, choices: tuple[str, ...]) -> Reading:
    """Reads masks of folders by the first convention that fits all of their ids."""
    found = sorted(set(map(int, np.unique(scan.ids))) - {IGNORE})
    num_old, num_new, total = step.num_old, step.num_new, step.num_seen
    allowed = {'new': range(num_new + 1), 'final': range(total), 'old': range(num_old)}
    chosen = next((name for name in choices if set(found) <= set(allowed[name])), None)
    if chosen is None:
        words = {
            'new': f'1 to {num_new} (the new classes {", ".join(step.names[num_old:])}) with 0 = not labelled',
            'final': f'0 to {total - 1} (ids of the extended model, new classes from {num_old} on)',
            'old': f'0 to {num_old - 1} (ids of the model)',
        }
        wrong = sorted(set(found).difference(*(allowed[name] for name in choices)))
        raise ConfigError(
            f'{data.flag}: ids {", ".join(map(str, wrong))} match no class, first in '
            f'{data.pairs[int(scan.masks_with(wrong[0])[0])].mask}. Allowed are '
            f'{"; or ".join(words[name] for name in choices)}; and 255 = ignored.'
        )
    new = frozenset(range(num_old, total))
    if chosen == 'new':
        table = {0: UNKNOWN, **{1 + index: num_old + index for index in range(num_new)}, IGNORE: IGNORE}
        return table, f'1 to {num_new} are the new classes in the order of --classes, 0 is not labelled', new
    shows_old = any(step.background <= index < num_old for index in found)
    # Masks without a pixel of any new class were made before there were new classes.
    labelled = frozenset(range(total)) if shows_old else new
    if new.isdisjoint(found):
        labelled = frozenset(range(num_old))
    table = {index: index for index in allowed[chosen]} | {IGNORE: IGNORE}
    if not shows_old:  # masks that label only new classes: everything else is the background, or 255 if there is none
        table[0 if step.background else IGNORE] = UNKNOWN
    return table, _OF_MODEL.format(chosen), labelled


def _by_names(scan: MaskScan, data: LabelledData, class_names: tuple[str, ...], step: Step) -> Reading:
    """Reads masks of a data set by the names of its classes.

    Raises:
        ConfigError: If masks hold ids that are no class of the data set, or none of its classes is known here.
    """
    ids = dataset_id_table(data.reduce_zero_label, data.label_map)
    wrong = [raw for raw in map(int, np.unique(scan.ids)) if len(class_names) <= ids[raw] < IGNORE]
    if wrong:
        raise ConfigError(
            f'{data.source}: id {wrong[0]} in {data.pairs[int(scan.masks_with(wrong[0])[0])].mask} is no class of the '
            f'data set. Allowed are 0 to {len(class_names) - 1} ({names(class_names)}), after reduce_zero_label, and '
            f'255 = ignored.'
        )
    lowered = [name.lower() for name in class_names]
    known = {name.lower(): channel for channel, name in enumerate(step.names)}
    fitting = [name for name in lowered if name in known]
    if not fitting and len(lowered) == step.num_old:
        # The model's class names are unknown; a data set with as many classes has them in the same order.
        known = {name: channel for channel, name in enumerate(lowered)}
        fitting = lowered
    if not fitting:
        raise ConfigError(
            f'{data.source}: none of its classes ({", ".join(class_names)}) is a class of the model or one of '
            f'--classes: {", ".join(step.names)}'
        )
    labels_old = any(step.background <= known[name] < step.num_old for name in fitting)
    background = 0 if step.background and labels_old else UNKNOWN
    by_id = {
        index: background if name in BACKGROUND_NAMES else known.get(name, UNKNOWN)
        for index, name in enumerate(lowered)
    }
    # Masks that label only new classes, without a background class: 255 is everything else.
    by_id[IGNORE] = IGNORE if lowered[0] in BACKGROUND_NAMES or labels_old else UNKNOWN
    table = {raw: by_id.get(int(ids[raw]), IGNORE) for raw in range(256)}
    labelled = frozenset(table.values()) - {UNKNOWN, IGNORE}
    return table, f'class names of the data set ({names(class_names)})', labelled
