"""Which classes each image shows, and how many pixels of each."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np


@dataclass(frozen=True, eq=False)
class ClassPresence:
    """Number of pixels of every class in every image.

    Column 0 is the background, column c the class with number c.

    Attributes:
        pixels: (images, classes + 1) int64 pixel counts.

    Examples:
        >>> presence = ClassPresence.from_counts([[10, 0, 5], [0, 7, 0]])
        >>> presence.images_with([2])
        array([0])
    """

    pixels: np.ndarray

    @classmethod
    def from_counts(cls, counts: np.ndarray | Sequence[Sequence[int]]) -> ClassPresence:
        """Builds the presence from pixel counts (images, classes + 1).

        Raises:
            ValueError: If the shape is wrong or a count is negative.
        """
        pixels = np.asarray(counts)
        if pixels.ndim != 2 or pixels.shape[1] < 2 or (pixels.size and pixels.min() < 0):
            raise ValueError(f'pixel counts must be (images, classes + 1) and not negative, found {pixels.shape}')
        pixels = pixels.astype(np.int64)
        pixels.setflags(write=False)
        return cls(pixels)

    @classmethod
    def from_labels(cls, labels: Iterable[Iterable[int]], num_classes: int) -> ClassPresence:
        """Builds the presence from image-level labels (class numbers); every count is then 0 or 1.

        Examples:
            >>> ClassPresence.from_labels([[1], [1, 2]], num_classes=2).matrix[:, 1:].tolist()
            [[True, False], [True, True]]
        """
        rows = [list(row) for row in labels]
        counts = np.zeros((len(rows), num_classes + 1), dtype=np.int64)
        for image, row in enumerate(rows):
            counts[image, row] = 1
        return cls.from_counts(counts)

    @cached_property
    def matrix(self) -> np.ndarray:
        """(images, classes + 1) bool: whether the image has a pixel of the class."""
        return self.pixels > 0

    @property
    def num_images(self) -> int:
        """Number of images."""
        return len(self.pixels)

    @property
    def num_classes(self) -> int:
        """Number of foreground classes."""
        return self.pixels.shape[1] - 1

    def renumbered(self, numbers: Sequence[int]) -> ClassPresence:
        """Returns the same counts with the classes renumbered.

        Args:
            numbers: The new number of each column.

        Examples:
            >>> ClassPresence.from_counts([[9, 0, 5]]).renumbered([0, 2, 1]).pixels
            array([[9, 5, 0]])
        """
        pixels = np.empty_like(self.pixels)
        pixels[:, list(numbers)] = self.pixels
        return ClassPresence.from_counts(pixels)

    def has_any(self, numbers: Sequence[int]) -> np.ndarray:
        """Returns (images,) bool: whether the image shows any of the classes."""
        return np.asarray(self.matrix[:, list(numbers)].any(axis=1))

    def images_with(self, numbers: Sequence[int]) -> np.ndarray:
        """Returns the sorted indices of the images that show any of the classes."""
        return np.flatnonzero(self.has_any(numbers))
