"""All data of an extension: new images, exemplars, test sets and held-out images."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from mmciss.datasets.image_files import IMAGES, MASKS
from mmciss.datasets.label_formats import find_export
from mmciss.datasets.labelled_data import LabelledData, Pair, Readers, data_of_config, data_of_export, data_of_folders
from mmciss.datasets.mask_ids import ReadMasks, read_masks
from mmciss.errors import ConfigError, flag, names, prefixed
from mmciss.protocols.labels import IGNORE
from mmciss.protocols.step import Step
from mmciss.utils.files import value_checksum

FEW_IMAGES = 10
FEWEST_TO_HOLD_OUT = 5
MOST_HELD_OUT = 100
VIEWS = 2
"""How often a pass that solves for all classes sees each image, each time mirrored or not."""
FOLDERS = (('images', 'masks'), ('val_images', 'val_masks'), ('exemplar_images', 'exemplar_masks'))


@dataclass(frozen=True)
class ExtensionData:
    """The data as the user gave it; :meth:`read` checks it.

    Attributes:
        images, masks: The new images and their masks: a folder, or what a labelling tool has exported, see
            :mod:`mmciss.datasets.label_formats`. The same for the other masks.
        data_config: A config of MMSegmentation with a training set, instead of folders.
        val_images, val_masks: Validation images with labels of new classes, old ones, or both.
        old_val_config: A config of MMSegmentation with a test set of the old classes.
        exemplar_images, exemplar_masks: A few images of the old data, masks with the old model's ids.
        mask_ids: What the ids of the new masks (and of the validation masks) mean, see
            :data:`mmciss.datasets.mask_ids.CONVENTIONS`.
        image_suffix, mask_suffix: Endings of file names.
        holdout: Share of the new images to keep for testing if there are no validation images.

    Raises:
        ConfigError: If two of them contradict each other, or a value is not allowed.
    """

    images: str | Path | None = None
    masks: str | Path | None = None
    data_config: str | Path | None = None
    val_images: str | Path | None = None
    val_masks: str | Path | None = None
    old_val_config: str | Path | None = None
    exemplar_images: str | Path | None = None
    exemplar_masks: str | Path | None = None
    mask_ids: str = 'auto'
    image_suffix: str | None = None
    mask_suffix: str | None = None
    holdout: float = 0.2

    def __post_init__(self) -> None:
        for first, second in FOLDERS:
            if (getattr(self, first) is None) != (getattr(self, second) is None):
                raise ConfigError(f'{flag(first)} and {flag(second)}: give both or none')
        if (self.images is None) == (self.data_config is None):
            raise ConfigError('--images with --masks, or --data-config: give one of the two')
        if isinstance(self.holdout, bool) or not 0 <= self.holdout < 1:
            raise ConfigError(f'--holdout: {self.holdout!r}; allowed is a share from 0 to below 1')

    def check_apart_from(self, work_dir: str | Path) -> None:
        """Rejects a work directory inside a data folder, where its figures would later be read as images."""
        for name in (name for pair in FOLDERS for name in pair):
            folder = getattr(self, name)
            if folder is not None and Path(work_dir).resolve().is_relative_to(Path(folder).resolve()):
                raise ConfigError(f'--work-dir: {work_dir} lies in the folder of {flag(name)}; choose another')

    def read(
        self, step: Step, seed: int = 0, readers: Readers = (IMAGES, MASKS), folder: str | Path = 'data'
    ) -> ReadData:
        """Reads and checks everything, and chooses which images to hold out.

        Labels that a labelling tool has exported are converted into ``folder``.

        Raises:
            ConfigError: Naming the flag and the file.
        """
        if self.data_config is None:
            data = self._folders(0, folder, step.new_names)
        else:
            data = data_of_config(self.data_config, '--data-config')
        new = read_masks(data, step, self.mask_ids, training=True)
        new.check_every_new_class(step)
        sizes = data.check_sizes(readers)
        val = old_val = exemplars = None
        if self.val_images is not None:
            val = read_masks(self._folders(1, folder), step, self.mask_ids, like=new)
            val.check_shows(range(step.num_seen), 'any class')
        if self.old_val_config is not None:
            old_val = read_masks(data_of_config(self.old_val_config, '--old-val-config', split='test'), step)
            old_val.check_shows(range(step.num_old), 'an old class')
        if self.exemplar_images is not None:
            exemplars = read_masks(self._folders(2, folder), step, 'old')
        for other in (val, old_val, exemplars):
            if other is not None:
                other.data.check_sizes(readers)
        tests = {}
        if val is None:
            parts = hold_out(new.pixels[:, step.num_old : step.num_seen] > 0, self.holdout, seed)
            train, held = ([data.pairs[index] for index in part] for part in parts)
            title = 'held-out new images' if held else 'images learned from'
            tests['new'] = TestSet(title, held or train, new)
        else:
            train = list(data.pairs)
            tests['new'] = TestSet('validation images', val.data.pairs, val)
        if old_val is not None:
            tests['old'] = TestSet('old validation images', old_val.data.pairs, old_val)
        return ReadData(step, seed, new, train, exemplars, tests, sizes)

    def _folders(self, which: int, folder: str | Path, classes: Sequence[str] = ()) -> LabelledData:
        images, masks = (getattr(self, name) for name in FOLDERS[which])
        flags = [flag(name) for name in FOLDERS[which]]
        with prefixed(flags[1]):
            export = find_export(masks)
        if export is not None:
            return data_of_export(export, images, folder, flags, classes)
        return data_of_folders(images, masks, self.image_suffix, self.mask_suffix, flags)


class TestSet(NamedTuple):
    """Images to test on: their title, the pairs, and their masks with the meaning of the ids."""

    title: str
    pairs: Sequence[Pair]
    masks: ReadMasks


@dataclass(frozen=True)
class ReadData:
    """Data that has been read and checked.

    Attributes:
        step: Old and new classes.
        seed: Seed of the choice of held-out images.
        new: The new images.
        train: Those to train on.
        exemplars: Images of the old data to train on, or None.
        tests: The test sets: ``'new'``, given or held out, and ``'old'`` if there is one.
        sizes: Height and width of the new images, in pixels.
    """

    step: Step
    seed: int
    new: ReadMasks
    train: list[Pair]
    exemplars: ReadMasks | None
    tests: dict[str, TestSet]
    sizes: list[tuple[int, int]]

    @property
    def num_train(self) -> int:
        """Number of images to train on, exemplars included."""
        return sum(len(pairs) for pairs, _ in self.sources(IGNORE))

    @property
    def fewest_exemplars(self) -> int:
        """Number of exemplars that show the old class with the fewest; 0 without exemplars."""
        if self.exemplars is None:
            return 0
        shown = (self.exemplars.pixels > 0).sum(0)[int(self.step.background) : self.step.num_old]
        return int(min(shown, default=0))

    def sources(self, unlabelled: int, solved: bool = False) -> list[tuple[Sequence[Pair], dict[int, int]]]:
        """Returns the images to train on, each group with its table from ids in the masks to labels.

        Args:
            unlabelled: Label of pixels whose class the new images do not tell.
            solved: Whether all rows are solved for in one pass. Then every image is there :data:`VIEWS` times, mirrored
                or not.
        """
        new = list(self.train) * (VIEWS if solved else 1)
        if self.exemplars is None:
            return [(new, self.new.training_table(unlabelled))]
        old = list(self.exemplars.data.pairs)
        if solved:
            old *= VIEWS
        return [(new, self.new.training_table(unlabelled)), (old, self.exemplars.training_table(IGNORE))]

    @property
    def judges(self) -> tuple[str, ...]:
        """Names of test sets in order of preference for new classes; old classes prefer ``'old'``."""
        return ('old', 'new') if self.tests['new'].masks is self.new else ('new', 'old')

    def checksum(self, as_given: bool = False) -> str:
        """Returns a checksum of the training data.

        Args:
            as_given: Whether paths count as the user wrote them, as in folders of older versions. Else the same files
                are the same data from wherever they are named.
        """
        lists = [self.train, *([] if self.exemplars is None else [self.exemplars.data.pairs])]
        if not as_given:
            lists = [[Pair(*map(os.path.abspath, pair)) for pair in pairs] for pairs in lists]
        new, *old = lists
        return value_checksum([new, sorted(self.new.table.items()), self.new.totals.tolist(), *old])

    def lines(self) -> list[str]:
        """Describes the data in sentences."""
        step, new, tested = self.step, self.new, self.tests['new']
        images = (new.pixels > 0).sum(0)[step.num_old : step.num_seen]
        shown = ', '.join(f'{name} {count}' for name, count in zip(step.new_names, images, strict=True))
        lines = [
            f'{len(new.data.pairs)} images with masks from {new.data.path}; the ids of the masks: {new.meaning}.',
            f'Images with each new class: {shown}.',
            *new.data.notes,
        ]
        if tested.pairs is self.train:
            but = ', except for those that --old-val-config labels' if 'old' in self.tests else ''
            lines.append(
                f'No validation images were given and too few new ones to hold any out: new classes are tested on '
                f'the training images{but}.'
            )
        elif tested.masks is new:
            lines.append(
                f'No validation images were given: {len(tested.pairs)} of the {len(new.data.pairs)} new images are '
                f'held out for testing (seed {self.seed}).'
            )
        if len(self.train) < FEW_IMAGES:
            lines.append(f'Only {len(self.train)} images to train on: expect little.')
        if self.exemplars is not None:
            lines.append(
                f'{len(self.exemplars.data.pairs)} images of the old data, labelled with old classes, are learned '
                f'with the new ones.'
            )
        for test in self.tests.values():
            if test.masks is not new:
                which = _which(test.masks.labelled, step)
                lines.append(f'{len(test.pairs)} {test.title}; ids: {test.masks.meaning}. They label {which}.')
        return lines


def hold_out(presence: np.ndarray, share: float = 0.2, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Returns the sorted positions of images to train on, and of those held out; every class stays in the former.

    Held out are at most :data:`MOST_HELD_OUT` images, and none of fewer than :data:`FEWEST_TO_HOLD_OUT`. ``presence``
    tells which image shows which new class, boolean ``(images, classes)``.

    Examples:
        >>> train, test = hold_out(np.ones((10, 1), dtype=bool))
        >>> len(train), len(test)
        (8, 2)
    """
    count = len(presence)
    wanted = min(MOST_HELD_OUT, max(1, round(share * count))) if count >= FEWEST_TO_HOLD_OUT and share > 0 else 0
    left = presence.sum(0)
    held: list[int] = []
    # NumPy has frozen RandomState's stream, so the same images are held out in every version.
    for image in np.random.RandomState(seed).permutation(count).tolist():
        if len(held) < wanted and (left - presence[image] >= 1).all():
            held.append(image)
            left = left - presence[image]
    test = np.sort(np.array(held, dtype=np.int64))
    return np.setdiff1d(np.arange(count), test), test


def _which(labelled: frozenset[int], step: Step) -> str:
    every = {
        range(step.num_seen): 'all classes',
        range(step.num_old): 'the old classes only',
        range(step.num_old, step.num_seen): 'the new classes only',
    }
    known = names([step.names[channel] for channel in sorted(labelled)])
    return next((text for channels, text in every.items() if labelled == set(channels)), known)
