"""What all exports of labelling tools have in common: images, class names, and one index mask per image."""

from __future__ import annotations

import abc
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, NamedTuple
from xml.etree import ElementTree

import numpy as np

from mmciss.errors import ConfigError, first_line
from mmciss.protocols.labels import BACKGROUND_NAMES, IGNORE
from mmciss.protocols.step import MAX_CHANNELS

IGNORED_NAMES = ('void', 'ignore', '__ignore__', 'ignored')
"""Names of labels, in lower case, whose pixels are ignored."""


class Region(NamedTuple):
    """Pixels with one label.

    Attributes:
        label: Name of the class.
        mask: Where, boolean ``(H, W)``.
        ignored: Whether these pixels are to be ignored (COCO's crowd regions, whose outlines are rough).
    """

    label: str
    mask: np.ndarray
    ignored: bool = False


@dataclass
class ImageLabels:
    """The labels of one image.

    Attributes:
        mask: ``(H, W)``, uint8: 0 = not labelled, i = the i-th class, 255 = ignored.
        labelled: Whether somebody labelled the image, be it that nothing is there.
        overlap: Number of pixels that have two classes; the later region covers the earlier one.
        notes: What else was found, with how often.
    """

    mask: np.ndarray
    labelled: bool = True
    overlap: int = 0
    notes: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True)
class Source:
    """A file or folder that may be an export; a file is parsed once.

    Attributes:
        path: The file or folder.
    """

    path: Path

    @cached_property
    def json(self) -> Any:
        """Content of a JSON file; None for anything else."""
        return read_json_file(self.path) if self.path.suffix.lower() == '.json' and self.path.is_file() else None

    @cached_property
    def xml(self) -> ElementTree.Element | None:
        """Root of an XML file; None for anything else."""
        if self.path.suffix.lower() != '.xml' or not self.path.is_file():
            return None
        try:
            return ElementTree.parse(self.path).getroot()
        except ElementTree.ParseError as error:
            raise ConfigError(f'{self.path}: is not XML ({first_line(error)})') from error

    @property
    def files(self) -> list[Path]:
        """All files of a folder, hidden ones excluded, or the file itself."""
        if not self.path.is_dir():
            return [self.path]
        return sorted(path for path in self.path.rglob('*') if path.is_file() and not path.name.startswith('.'))


def read_json_file(path: Path) -> Any:
    """Reads a JSON file.

    Raises:
        ConfigError: If it is damaged.
    """
    try:
        return json.loads(path.read_text(encoding='utf-8'))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f'{path}: is not JSON ({first_line(error)})') from error


class LabelExport(abc.ABC):
    """The labels of some images, as one labelling tool writes them.

    Args:
        source: The file or folder.
        names: Names of all labels. Those that mean background or ignored pixels are no classes.
        images: Name or path of each image, as the export has it.

    Raises:
        ConfigError: If the export lists no image or class, or too many classes.
    """

    kind: ClassVar[str]
    """The format, for messages."""

    def __init__(self, source: Source, names: Sequence[str], images: Sequence[str]) -> None:
        self.path = source.path
        self.images = tuple(images)
        self.classes = tuple(name for name in dict.fromkeys(names) if name.lower() not in _NO_CLASSES)
        self.special = {name: _NO_CLASSES[name.lower()] for name in names if name.lower() in _NO_CLASSES}
        self.ids = {**{name: number for number, name in enumerate(self.classes, 1)}, **self.special}
        repeats = [name for name, count in Counter(name.lower() for name in self.classes).items() if count > 1]
        if repeats:
            same = [name for name in self.classes if name.lower() == repeats[0]]
            raise ConfigError(f'{self.path}: the classes {", ".join(same)} differ only in case; give them one name')
        if not self.images:
            raise ConfigError(f'{self.path}: lists no images')
        if not 0 < len(self.classes) < MAX_CHANNELS:
            raise ConfigError(f'{self.path}: has {len(self.classes)} classes; allowed are 1 to {MAX_CHANNELS - 1}')

    @classmethod
    @abc.abstractmethod
    def recognizes(cls, source: Source) -> bool:
        """Returns whether a file or folder looks like this format."""

    @abc.abstractmethod
    def read(self, index: int, size: tuple[int, int]) -> ImageLabels:
        """Returns the labels of an image.

        Args:
            index: Position in ``images``.
            size: Height and width of the image file in pixels.

        Raises:
            ConfigError: Naming the file and the value that is wrong.
        """


class RegionExport(LabelExport):
    """Labels that are regions, drawn one over the other."""

    @abc.abstractmethod
    def regions(self, index: int, size: tuple[int, int], notes: Counter[str]) -> Iterator[Region]:
        """Yields the regions of an image of that height and width in the order of drawing, and notes what is odd."""

    @abc.abstractmethod
    def size(self, index: int) -> tuple[int, int] | None:
        """Returns height and width of an image as the export has them, in pixels; None if it does not say."""

    def labelled(self, index: int) -> bool:
        """Returns whether somebody labelled the image, be it that nothing is there."""
        return True

    def read(self, index: int, size: tuple[int, int]) -> ImageLabels:
        """Draws the regions of an image."""
        own = self.size(index)
        if own is not None and own != size:
            raise ConfigError(
                f'{self.path}: {self.images[index]} has {own[1]}x{own[0]} pixels there, but the file has '
                f'{size[1]}x{size[0]}. Give the images that were labelled, upright and not resized'
            )
        out = ImageLabels(np.zeros(size, np.uint8), self.labelled(index))
        for label, mask, ignored in self.regions(index, size, out.notes):
            value = IGNORE if ignored else self.ids[label]
            out.overlap += int(np.count_nonzero(mask & (out.mask != 0) & (out.mask != value)))
            out.mask[mask] = value
        return out


_NO_CLASSES = {**dict.fromkeys(BACKGROUND_NAMES, 0), **dict.fromkeys(IGNORED_NAMES, IGNORE)}
