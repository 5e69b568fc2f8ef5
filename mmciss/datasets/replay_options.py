"""The config key ``method.memory``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from mmciss.datasets.exemplars import SELECTIONS
from mmciss.errors import ConfigError, unknown_name

MODES = ('concat', 'batch')
LABELS = ('current', 'full')
CANDIDATES = ('images', 'crops')


@dataclass(frozen=True)
class ReplayOptions:
    """How many images are stored, and how later steps train on them.

    Attributes:
        size: Number of images.
        selection: A key of :data:`mmciss.datasets.exemplars.SELECTIONS`.
        mode: ``'concat'`` adds the images to the step's own (DKD-M). ``'batch'`` replaces half of every batch, rounded
            down (SSUL-M).
        labels: ``'current'`` labels them like the step's own images: the label policy decides about old classes.
            ``'full'`` labels all classes seen so far, as if those labels had been stored with the images.
        candidates: Where a class must be visible for an image to be chosen for it: ``'images'`` looks at whole masks,
            ``'crops'`` at one draw of the training pipeline, whose crop may have cut the class off (DKD-M as
            released).

    Raises:
        ConfigError: If a value is not allowed.
    """

    size: int
    selection: str = 'class_balanced'
    mode: str = 'concat'
    labels: str = 'current'
    candidates: str = 'images'

    def __post_init__(self) -> None:
        if isinstance(self.size, bool) or not isinstance(self.size, int) or self.size < 1:
            raise ConfigError(f'method.memory.size: must be a positive number of images, found {self.size!r}')
        choices = {'selection': SELECTIONS, 'mode': MODES, 'labels': LABELS, 'candidates': CANDIDATES}
        for key, allowed in choices.items():
            if getattr(self, key) not in allowed:
                raise unknown_name(key, getattr(self, key), list(allowed), f'method.memory.{key}')
        if self.candidates == 'crops' and self.labels == 'full':
            raise ConfigError(
                "method.memory.candidates: 'crops' show only the labels of their own step, but "
                "method.memory.labels='full' needs all seen classes; allowed with it: 'images'"
            )

    @classmethod
    def from_method(cls, method: Mapping[str, Any] | None) -> ReplayOptions | None:
        """Reads the options of a method; None if it stores no images.

        Raises:
            ConfigError: If a key is unknown or missing.
        """
        memory = (method or {}).get('memory')
        if memory is None:
            return None
        known = [field.name for field in fields(cls)]
        for key in memory:
            if key not in known:
                raise unknown_name('option', key, known, f'method.memory.{key}')
        if 'size' not in memory:
            raise ConfigError('method.memory.size is missing: the number of images to store')
        return cls(**memory)

    def check(self, num_images: Sequence[int]) -> None:
        """Refuses a memory that cannot be filled.

        Args:
            num_images: Training images of every step.

        Raises:
            ConfigError: If it is larger than the base step, from which the first images are chosen.
        """
        if self.size > num_images[0]:
            raise ConfigError(
                f'method.memory.size: {self.size}, but the base step has only {num_images[0]} images; '
                f'allowed: 1 to {num_images[0]}'
            )
