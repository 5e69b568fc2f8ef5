"""An ordinary data set, read once for all steps: its images, its classes, and what its masks show."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

from mmengine.dataset import BaseDataset

from mmciss.datasets.expected_layout import check_layout
from mmciss.datasets.mask_counts import MaskCounts, count_masks
from mmciss.datasets.wrapped import build_dataset, parts_of
from mmciss.errors import ConfigError
from mmciss.protocols.presence import ClassPresence
from mmciss.protocols.step import BACKGROUND


class ScannedDataset:
    """What all steps share of a data set; none of it depends on the step or changes after reading.

    Args:
        dataset: A data set derived from ``BaseSegDataset`` or a ``ConcatDataset`` of such, built or as a config.
        classes: Class names of the training data, if this is other data; classes are matched by name, in any order.
        cache_dir: Where to keep the label counts, if not next to the masks.
        key: How messages refer to the data set.

    Attributes:
        dataset: The built data set, with its list of images.
        parts: The plain data sets that it consists of.
        classes: Class names in the order of the training data.
        positions: Position in ``classes`` of each class, in the data set's own order.
        first_id: The id of class 1: 1 if class 0 is called 'background', else 0.
        class_names: Names of the foreground classes.

    Raises:
        ConfigError: If files are missing or the classes are not those of the training data.
    """

    def __init__(
        self, dataset: Any, classes: Sequence[str] | None = None, cache_dir: str | None = None, key: str = 'dataset'
    ) -> None:
        if isinstance(dataset, Mapping):
            check_layout(dataset)
            dataset = build_dataset(dataset)
        self.dataset = dataset
        self.parts: list[BaseDataset] = parts_of(dataset)
        own = classes_of(self.parts)
        self.classes = own if classes is None else tuple(classes)
        self.positions = match_classes(own, self.classes, f'{key}.metainfo.classes')
        self.first_id = int(self.classes[0] == BACKGROUND)
        self.class_names = self.classes[self.first_id :]
        self.cache_dir = cache_dir
        dataset.full_init()

    @cached_property
    def counts(self) -> MaskCounts:
        """Pixels of every id in every mask; the first access reads the masks or their cache."""
        return count_masks(self.dataset, len(self.class_names), self.first_id, self.cache_dir)

    @cached_property
    def presence(self) -> ClassPresence:
        """Pixels of every class in every image, in the class order of the training data."""
        numbers = [position + 1 - self.first_id for position in self.positions]
        presence = self.counts.presence(len(self.class_names), self.first_id)
        return presence.renumbered(numbers if self.first_id else [0, *numbers])


def classes_of(parts: Sequence[BaseDataset]) -> tuple[str, ...]:
    """Returns the class names of a data set, in the order of its ids.

    Args:
        parts: The plain data sets that it consists of.

    Raises:
        ConfigError: If there are no names, if they differ between the parts, or if the background is not first.
    """
    names = tuple(map(str, parts[0].metainfo.get('classes') or ()))
    key = f'{type(parts[0]).__name__}.metainfo.classes'
    if not names:
        raise ConfigError(f'{key}: not set; class names are needed.')
    if BACKGROUND in names[1:]:
        raise ConfigError(f'{key}: {BACKGROUND!r} must come first, found {names}.')
    for part in parts[1:]:
        other = tuple(map(str, part.metainfo.get('classes') or ()))
        if other != names:
            raise ConfigError(
                f'{key}: concatenated data sets must have the same classes in the same order; found '
                f'{", ".join(names)} and {", ".join(other)}'
            )
    return names


def match_classes(own: Sequence[str], classes: Sequence[str], key: str) -> tuple[int, ...]:
    """Returns the position of each class of a data set among those of the training data.

    Args:
        own: The data set's classes, in its order.
        classes: The training data's classes, in their order.
        key: How messages refer to the data set's classes.

    Raises:
        ConfigError: If the classes are not the same, naming both lists.

    Examples:
        >>> match_classes(['background', 'dog', 'cat'], ['background', 'cat', 'dog'], 'test')
        (0, 2, 1)
    """
    missing = [name for name in classes if name not in own]
    unknown = [name for name in own if name not in classes]
    if missing or unknown or len(own) != len(classes):
        found = [
            f'{text} {", ".join(map(repr, names))}' for text, names in (('lacks', missing), ('adds', unknown)) if names
        ] or ['lists a class twice']
        raise ConfigError(
            f'{key}: its classes differ from those of the training data: it {" and ".join(found)}. Here: '
            f'{", ".join(own)}; training: {", ".join(classes)}. Give both the same names '
            f'(metainfo.classes), in any order'
        )
    return tuple(list(classes).index(name) for name in own)
