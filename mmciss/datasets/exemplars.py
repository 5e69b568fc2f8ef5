"""The images that a run keeps from earlier steps, as a file."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from mmciss.errors import ConfigError
from mmciss.utils.files import read_json, write_json


@dataclass(frozen=True)
class Exemplar:
    """One stored image.

    Attributes:
        path: Path of the image, as the data set gives it.
        step: The step whose images it came from.
        classes: Numbers of the classes that it is known to show.
    """

    path: str
    step: int
    classes: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, 'classes', tuple(sorted(int(number) for number in self.classes)))


@dataclass(frozen=True)
class Memory:
    """What is stored after a step.

    Attributes:
        step: The step after which it was chosen.
        exemplars: The images.
        key: Checksum of everything that decided the choice; a file with another key is made anew.
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
            ConfigError: If there is no readable one.
        """
        content: Any = read_json(path)
        try:
            exemplars = tuple(Exemplar(**item) for item in content['exemplars'])
            return cls(int(content['step']), exemplars, str(content['key']))
        except (KeyError, TypeError, ValueError) as error:
            raise ConfigError(
                f'method.memory: {path} is missing or no list of exemplars; it is written when the step before ends'
            ) from error
