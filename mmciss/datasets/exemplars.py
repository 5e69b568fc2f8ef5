"""Images that a run keeps from earlier steps (``method.memory``): choosing them, listing them, and their options."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from mmciss.errors import ConfigError, unknown_name
from mmciss.utils.files import read_json, write_json


@dataclass(frozen=True)
class Exemplar:
    """One stored image.

    Attributes:
        path: Path of the image, as the data set gives it.
        step: The step that the image was chosen from.
        classes: Numbers of the classes that it is known to show.
    """

    path: str
    step: int
    classes: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, 'classes', tuple(sorted(int(number) for number in self.classes)))


@dataclass(frozen=True)
class Memory:
    """The images stored after a step.

    Attributes:
        step: The step after which they were chosen.
        exemplars: The images.
        key: Checksum of everything that the choice depends on; a file with another key is rewritten.
    """

    step: int
    exemplars: tuple[Exemplar, ...]
    key: str = ''

    def save(self, path: str | Path) -> None:
        """Writes ``memory.json`` atomically."""
        write_json(
            path, {'step': self.step, 'key': self.key, 'exemplars': [asdict(exemplar) for exemplar in self.exemplars]}
        )

    @classmethod
    def load(cls, path: str | Path) -> Memory:
        """Reads ``memory.json``.

        Raises:
            ConfigError: If it is missing or cannot be read.
        """
        content: Any = read_json(path)
        try:
            exemplars = tuple(Exemplar(**item) for item in content['exemplars'])
            return cls(int(content['step']), exemplars, str(content['key']))
        except (KeyError, TypeError, ValueError) as error:
            raise ConfigError(
                f'method.memory: {path} is missing or not a list of exemplars; the previous step writes it when it ends'
            ) from error


def shuffled(candidates: Iterable[Exemplar], seed: int) -> list[Exemplar]:
    """Returns the candidates in an order that depends only on their paths and the seed."""
    result = sorted(candidates, key=lambda item: item.path)
    random.Random(seed).shuffle(result)
    return result


def select_random(candidates: Iterable[Exemplar], size: int, seed: int) -> list[Exemplar]:
    """Chooses ``size`` candidates at random, or all if there are fewer."""
    return shuffled(candidates, seed)[:size]


def select_class_balanced(candidates: Iterable[Exemplar], size: int, seed: int) -> list[Exemplar]:
    """Lets the classes take turns in choosing an image that shows them, until the memory is full.

    Every class is then shown by at least ``size // num_classes`` images, if it has that many. The order of turns is
    random, as in SSUL (arXiv 2106.11562) and DKD (arXiv 2210.05941). Once no class finds another image, the rest is
    filled at random.

    Args:
        candidates: Images, each with the classes that it is known to show; paths are unique.
        size: How many to choose; all if there are fewer.
        seed: Seed; the order of ``candidates`` does not matter.

    Examples:
        >>> images = [Exemplar('a', 0, (1,)), Exemplar('b', 0, (1,)), Exemplar('c', 0, (2,))]
        >>> sorted({item.classes for item in select_class_balanced(images, 2, seed=0)})
        [(1,), (2,)]
    """
    order = shuffled(candidates, seed)
    numbers = sorted({number for item in order for number in item.classes})
    random.Random(seed + 1).shuffle(numbers)
    # Reversed, since images are popped from the end.
    queues = {number: [item for item in reversed(order) if number in item.classes] for number in numbers}
    chosen: dict[str, Exemplar] = {}
    while any(queues.values()) and len(chosen) < size:
        for number in numbers:
            queue = queues[number]
            while queue and queue[-1].path in chosen:
                queue.pop()
            if queue and len(chosen) < size:
                item = queue.pop()
                chosen[item.path] = item
    rest = [item for item in order if item.path not in chosen]
    return [*chosen.values(), *rest[: size - len(chosen)]]


SELECTIONS: dict[str, Callable[[Iterable[Exemplar], int, int], list[Exemplar]]] = {
    'class_balanced': select_class_balanced,
    'random': select_random,
}
"""What ``method.memory.selection`` may be."""

MODES = ('concat', 'batch')
LABELS = ('current', 'full')
CANDIDATES = ('images', 'crops')


@dataclass(frozen=True)
class ReplayOptions:
    """How many images are stored, and how later steps train on them.

    Attributes:
        size: Number of images.
        selection: A key of :data:`SELECTIONS`.
        mode: ``'concat'`` adds the images to the step's own (DKD-M). ``'batch'`` replaces half of every batch, rounded
            down (SSUL-M).
        labels: ``'current'`` labels them like the step's own images: the label policy decides about old classes.
            ``'full'`` labels all classes seen so far, as if those labels had been stored with the images.
        candidates: Where a class must be visible for an image to be chosen for it: ``'images'`` looks at whole masks,
            ``'crops'`` at one draw of the training pipeline, whose crop may have cut the class off (DKD-M as released).

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
        return None if memory is None else cls.from_dict(memory)

    @classmethod
    def from_dict(cls, memory: Mapping[str, Any]) -> ReplayOptions:
        """Reads the config key ``method.memory``.

        Raises:
            ConfigError: If a key is unknown or missing.
        """
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
