"""All data of an extension: new images, exemplars, validation, and what is held out."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from mmciss.datasets.image_files import IMAGES, MASKS, Reader
from mmciss.errors import ConfigError
from mmciss.evaluation.markdown import names
from mmciss.extend.holdout import hold_out
from mmciss.extend.mask_ids import ReadMasks, check_every_new_class, check_tells, read_masks
from mmciss.extend.pairs import LabelledData, Pair, check_sizes, data_of_config, data_of_folders
from mmciss.protocols.step import Step
from mmciss.utils.files import value_checksum

FEW_IMAGES = 10


@dataclass(frozen=True)
class ExtensionData:
    """What the user gave; :meth:`read` checks it.

    Attributes:
        images, masks: The new images and masks.
        data_config: Instead of folders, a config of MMSegmentation with a training set.
        val_images, val_masks: Validation images with labels of new classes, old ones, or both.
        old_val_config: A config of MMSegmentation with a test set of the old classes.
        exemplar_images, exemplar_masks: A few images of the old data, masks with the old model's ids.
        mask_ids: What the ids of the new masks (and of the validation masks) mean.
        image_suffix, mask_suffix: Ends of file names.
        holdout: Share of the new images to keep for testing, where there are no validation images.
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
        for first, second in (('images', 'masks'), ('val_images', 'val_masks'), ('exemplar_images', 'exemplar_masks')):
            if (getattr(self, first) is None) != (getattr(self, second) is None):
                raise ConfigError(f'{_flag(first)} and {_flag(second)}: give both or none')
        if (self.images is None) == (self.data_config is None):
            raise ConfigError('--images with --masks, or --data-config: give one of the two')
        if isinstance(self.holdout, bool) or not 0 <= self.holdout < 1:
            raise ConfigError(f'--holdout: {self.holdout!r}; allowed is a share from 0 to below 1')

    def read(
        self, step: Step, seed: int = 0, readers: tuple[Reader | None, Reader | None] = (IMAGES, MASKS)
    ) -> ReadData:
        """Reads and checks everything.

        Args:
            step: Old and new classes.
            seed: Seed of what is held out.
            readers: How images are going to be decoded, and how masks.

        Raises:
            ConfigError: Naming the flag and file.
        """
        if self.data_config is not None:
            data, flag = data_of_config(self.data_config, '--data-config'), '--data-config'
        else:
            data, flag = self._folders('images', 'masks'), '--masks'
        new = read_masks(data, step, flag, self.mask_ids, training=True)
        check_every_new_class(new, step, flag)
        lines = [
            f'{len(data.pairs)} images with masks from {data.source.partition(" ")[2]}; the ids of the masks: '
            f'{new.meaning}.'
        ]
        labels = ', '.join(
            f'{step.names[channel]} {int((new.pixels[:, channel] > 0).sum())}'
            for channel in range(step.num_old, step.num_seen)
        )
        lines.append(f'Images with each new class: {labels}.')
        val = self._read_val(step, readers, new)
        old_val = self._read_old_val(step, readers)
        presence = new.pixels[:, step.num_old : step.num_seen] > 0
        train, held = hold_out(presence, 0.0 if val is not None else self.holdout, seed)
        if val is None:
            lines.append(
                f'No validation images were given: {len(held)} of the {len(data.pairs)} new images are held out '
                f'for testing (seed {seed}).'
                if len(held)
                else 'No validation images were given and too few new ones to hold any out: new classes are '
                'tested on the images that they are learned from'
                + (', but for those that --old-val-config labels.' if old_val is not None else '.')
            )
        if len(train) < FEW_IMAGES:
            lines.append(f'Only {len(train)} images to train on: expect little.')
        exemplars = self._read_exemplars(step, readers)
        if exemplars is not None:
            lines.append(
                f'{len(exemplars.data.pairs)} images of the old data, labelled with old classes, are learned '
                f'with the new ones.'
            )
        for name, masks in (('validation', val), ('old validation', old_val)):
            if masks is not None:
                lines.append(
                    f'{len(masks.data.pairs)} {name} images; ids: {masks.meaning}. They label '
                    f'{_which(masks.labelled, step)}.'
                )
        return ReadData(new, train, held, val, old_val, exemplars, check_sizes(data, readers), lines)

    def _folders(self, images: str, masks: str) -> LabelledData:
        return data_of_folders(
            getattr(self, images),
            getattr(self, masks),
            self.image_suffix,
            self.mask_suffix,
            (_flag(images), _flag(masks)),
        )

    def _read_val(self, step: Step, readers: tuple[Reader | None, Reader | None], new: ReadMasks) -> ReadMasks | None:
        if self.val_images is None:
            return None
        data = self._folders('val_images', 'val_masks')
        check_sizes(data, readers)
        masks = read_masks(data, step, '--val-masks', self.mask_ids, like=new)
        check_tells(masks, range(step.num_seen), 'any class', '--val-masks')
        return masks

    def _read_old_val(self, step: Step, readers: tuple[Reader | None, Reader | None]) -> ReadMasks | None:
        if self.old_val_config is None:
            return None
        data = data_of_config(self.old_val_config, '--old-val-config', split='test')
        check_sizes(data, readers)
        masks = read_masks(data, step, '--old-val-config')
        check_tells(masks, range(step.num_old), 'an old class', f'--old-val-config {self.old_val_config}')
        return masks

    def _read_exemplars(self, step: Step, readers: tuple[Reader | None, Reader | None]) -> ReadMasks | None:
        if self.exemplar_images is None:
            return None
        data = self._folders('exemplar_images', 'exemplar_masks')
        check_sizes(data, readers)
        return read_masks(data, step, '--exemplar-masks', 'old')


class TestSet(NamedTuple):
    """Images to test on: what they are called, the pairs, and what their masks mean."""

    title: str
    pairs: list[Pair]
    masks: ReadMasks


@dataclass(frozen=True)
class ReadData:
    """Data that was read and checked.

    Attributes:
        new: The new images.
        train_indices: Those of them to train on.
        held_indices: Those of them that are held out.
        val: Validation images, or None.
        old_val: Images with labels of old classes, or None.
        exemplars: Images of the old data to train on, or None.
        sizes: Height and width of the new images.
        lines: What there is to say about all this.
    """

    new: ReadMasks
    train_indices: np.ndarray
    held_indices: np.ndarray
    val: ReadMasks | None
    old_val: ReadMasks | None
    exemplars: ReadMasks | None
    sizes: list[tuple[int, int]]
    lines: list[str]

    @property
    def train(self) -> list[Pair]:
        """The new images to train on."""
        return [self.new.data.pairs[index] for index in self.train_indices]

    @property
    def num_exemplars(self) -> int:
        """Number of images of the old data to train on."""
        return 0 if self.exemplars is None else len(self.exemplars.data.pairs)

    def tests(self) -> dict[str, TestSet]:
        """Returns the test sets: ``'new'``, given or of the new images, and ``'old'`` if there is one."""
        if self.val is not None:
            found = {'new': TestSet('validation images', list(self.val.data.pairs), self.val)}
        else:
            held = len(self.held_indices) > 0
            pairs = [self.new.data.pairs[index] for index in (self.held_indices if held else self.train_indices)]
            found = {'new': TestSet('held-out new images' if held else 'images learned from', pairs, self.new)}
        if self.old_val is not None:
            found['old'] = TestSet('old validation images', list(self.old_val.data.pairs), self.old_val)
        return found

    @property
    def judges(self) -> tuple[str, ...]:
        """Names of test sets in the order in which new classes are looked for; old ones first in ``'old'``."""
        return ('new', 'old') if self.val is not None else ('old', 'new')

    def checksum(self) -> str:
        """Returns a checksum of what is trained on."""
        sources = [
            [[pair.image, pair.mask] for pair in self.train],
            sorted(self.new.table.items()),
            self.new.totals.tolist(),
        ]
        if self.exemplars is not None:
            sources.append([[pair.image, pair.mask] for pair in self.exemplars.data.pairs])
        return value_checksum(sources)


def _which(labelled: frozenset[int], step: Step) -> str:
    known, every = sorted(labelled), step.num_seen
    if len(known) == every:
        return 'all classes'
    kinds = {
        tuple(range(step.num_old)): 'the old classes only',
        tuple(range(step.num_old, every)): 'the new classes only',
    }
    return kinds.get(tuple(known)) or names([step.names[channel] for channel in known])


def _flag(name: str) -> str:
    return '--' + name.replace('_', '-')
