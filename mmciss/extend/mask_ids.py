"""What the ids in masks mean, and which label each id gets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mmciss.errors import ConfigError, unknown_name
from mmciss.extend.old_model import BACKGROUND_NAMES
from mmciss.extend.pairs import LabelledData
from mmciss.protocols.labels import IGNORE, UNKNOWN, dataset_id_table
from mmciss.protocols.scan import MaskScan, load_or_scan
from mmciss.protocols.step import Step

CONVENTIONS = ('auto', 'new', 'final', 'old')
"""What ids of masks in folders mean: ``'new'``: 1..n are the new classes in the order of ``--classes``, 0 is not
labelled; ``'final'``: ids of the extended model; ``'old'``: ids of the old model; ``'auto'``: whichever fits."""

_OF_MODEL = 'ids of the {} model'


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


def read_masks(
    data: LabelledData,
    step: Step,
    flag: str,
    convention: str = 'auto',
    training: bool = False,
    like: ReadMasks | None = None,
) -> ReadMasks:
    """Finds out what the ids in masks mean.

    Args:
        data: The pairs.
        step: Old and new classes.
        flag: The flag that named the masks.
        convention: One of :data:`CONVENTIONS`; ignored if there are class names (data sets of MMSegmentation), which
            decide.
        training: Whether new classes must be labelled, which excludes some meanings.
        like: Other masks of the same extension, whose meaning is tried first.

    Raises:
        ConfigError: If masks are unreadable or hold ids that match no class.
    """
    if convention not in CONVENTIONS:
        raise unknown_name('meaning of ids', convention, CONVENTIONS, '--mask-ids')
    try:
        scan = load_or_scan([pair.mask for pair in data.pairs])
    except ConfigError as error:
        raise ConfigError(f'{flag}: {error}') from error
    if data.names is None:
        table, meaning, labelled = _folder_table(scan, data, step, flag, _choices(convention, like), training)
    else:
        _check_named_ids(scan, data, data.names)
        table, meaning = _named_table(data, data.names, step)
        labelled = frozenset(table.values()) - {UNKNOWN, IGNORE}
    lookup = np.full(256, IGNORE, dtype=np.int64)
    lookup[list(table)] = list(table.values())
    dense = scan.dense()
    pixels = np.zeros_like(dense)
    np.add.at(pixels.T, lookup, dense.T)
    return ReadMasks(data, table, meaning, pixels, labelled)


def _choices(convention: str, like: ReadMasks | None) -> tuple[str, ...]:
    if convention != 'auto':
        return (convention,)
    return ('final', 'new') if like is not None and like.meaning == _OF_MODEL.format('final') else ('new', 'final')


def _folder_table(
    scan: MaskScan, data: LabelledData, step: Step, flag: str, choices: tuple[str, ...], training: bool
) -> tuple[dict[int, int], str, frozenset[int]]:
    found = sorted(set(map(int, np.unique(scan.ids))) - {IGNORE})
    num_old, num_new, total = step.num_old, step.num_new, step.num_seen
    allowed = {'new': set(range(num_new + 1)), 'final': set(range(total)), 'old': set(range(num_old))}
    if len(choices) > 1 and training and not set(found) & set(range(num_old, total)):
        choices = ('new',)  # as ids of the extended model they would show no new class
    fitting = [name for name in choices if set(found) <= allowed[name]]
    if not fitting:
        wrong = sorted(set(found) - set().union(*(allowed[name] for name in choices)))
        image = int(scan.masks_with(wrong[0])[0]) if wrong else 0
        words = {
            'new': f'1 to {num_new} (the new classes {", ".join(step.names[num_old:])}) with 0 = not labelled',
            'final': f'0 to {total - 1} (ids of the extended model, new classes from {num_old} on)',
            'old': f'0 to {num_old - 1} (ids of the model)',
        }
        raise ConfigError(
            f'{flag}: ids {", ".join(map(str, wrong or found))} match no class, first in '
            f'{data.pairs[image].mask}. Allowed are {"; or ".join(words[name] for name in choices)}; '
            f'and 255 = ignored.'
        )
    chosen = fitting[0]
    new = frozenset(range(num_old, total))
    if chosen == 'new':
        return (
            {0: UNKNOWN, **{1 + index: num_old + index for index in range(num_new)}, IGNORE: IGNORE},
            f'1 to {num_new} are the new classes in the order of --classes, 0 is not labelled',
            new,
        )
    shows_old = any(step.background <= index < num_old for index in found)
    shows_new = any(index in new for index in found)
    # Masks without a pixel of any new class were made before there were new classes.
    labelled = frozenset(range(total)) if shows_old and shows_new else new if shows_new else frozenset(range(num_old))
    return (
        {**{index: index for index in allowed[chosen]}, **_rest(step, only_new=not shows_old)},
        _OF_MODEL.format(chosen),
        labelled,
    )


def _rest(step: Step, only_new: bool) -> dict[int, int]:
    """Returns what 0 and 255 mean in masks with ids of the model.

    Masks that show no old class label only the new ones.
    """
    if step.background:
        return {0: UNKNOWN if only_new else 0, IGNORE: IGNORE}
    return {IGNORE: UNKNOWN if only_new else IGNORE}


def _named_table(data: LabelledData, class_names: Sequence[str], step: Step) -> tuple[dict[int, int], str]:
    names = [name.lower() for name in class_names]
    known = {name.lower(): channel for channel, name in enumerate(step.names)}
    fitting = [name for name in names if name in known]
    if not fitting and len(names) == step.num_old:
        # The model's class names are unknown; a data set with as many classes has them in the same order.
        known = {name: channel for channel, name in enumerate(names)}
        fitting = names
    if not fitting:
        raise ConfigError(
            f'{data.source}: none of its classes ({", ".join(class_names)}) is a class of the model '
            f'or one of --classes: {", ".join(step.names)}'
        )
    labels_old = any(step.background <= known[name] < step.num_old for name in fitting)
    by_id: dict[int, int] = {}
    for index, name in enumerate(names):
        by_id[index] = known.get(name, UNKNOWN)
        if name in BACKGROUND_NAMES:
            by_id[index] = 0 if step.background and labels_old else UNKNOWN
    # Masks that label only new classes, without a background class: 255 is everything else.
    by_id[IGNORE] = IGNORE if names[0] in BACKGROUND_NAMES or labels_old else UNKNOWN
    table = dataset_id_table(data.reduce_zero_label, data.label_map)
    return (
        {raw: by_id.get(int(table[raw]), IGNORE) for raw in range(256)},
        f'class names of the data set ({", ".join(class_names[:6])}{", ..." if len(names) > 6 else ""})',
    )


def _check_named_ids(scan: MaskScan, data: LabelledData, class_names: Sequence[str]) -> None:
    """Rejects masks with ids that are not classes of their data set."""
    table = dataset_id_table(data.reduce_zero_label, data.label_map)
    wrong = [raw for raw in map(int, np.unique(scan.ids)) if len(class_names) <= table[raw] < IGNORE]
    if wrong:
        raise ConfigError(
            f'{data.source}: id {wrong[0]} in {data.pairs[int(scan.masks_with(wrong[0])[0])].mask} is no '
            f'class of the data set. Allowed are 0 to {len(class_names) - 1} ({", ".join(class_names[:6])}'
            f'{", ..." if len(class_names) > 6 else ""}), after reduce_zero_label, and 255 = ignored.'
        )


def check_shows(masks: ReadMasks, channels: range, what: str, flag: str) -> None:
    """Rejects test sets without a pixel of certain channels, on which nothing could be measured.

    Raises:
        ConfigError: Naming the flag.
    """
    if not masks.totals[channels].any():
        raise ConfigError(
            f'{flag}: no pixel of {what} is labelled in {len(masks.data.pairs)} masks ({masks.meaning}); '
            f'there is nothing to measure.'
        )


def check_every_new_class(masks: ReadMasks, step: Step, flag: str) -> None:
    """Rejects training data without a pixel of a new class.

    Raises:
        ConfigError: Naming the classes and the ids that were found.
    """
    missing = [step.names[channel] for channel in range(step.num_old, step.num_seen) if not masks.totals[channel]]
    if missing:
        found = [step.names[channel] for channel in range(step.num_seen) if masks.totals[channel]]
        raise ConfigError(
            f'{flag}: no labelled pixel of {", ".join(missing)} in {len(masks.data.pairs)} masks; labelled '
            f'are {", ".join(found) or "no classes"} ({masks.meaning}).'
        )
