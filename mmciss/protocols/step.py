"""One step of a protocol: its new and old classes, and their channels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any

BACKGROUND = 'background'
"""Name of channel 0 if the protocol has a background."""

MAX_CHANNELS = 255
"""Channels are stored in 8 bits, and 255 means 'ignore'."""


@dataclass(frozen=True)
class Step:
    """One step of a protocol.

    Classes are numbered 1..K; the background is 0. Channels follow the order of arrival, background first:
    ``(background, *old, *new)``.

    Attributes:
        index: Position in the protocol, from 0.
        new: Numbers of the classes learned in this step, in channel order.
        old: Numbers of the classes learned before, in channel order.
        sizes: Channels added by steps 0..index; step 0 includes the background.
        names: Names of all channels seen so far.
        background: Whether channel 0 is the background.
        domains: Names of the domains whose images this step sees (domain-incremental only).
        upcoming: Channels added by each later step of the protocol.

    Examples:
        >>> step = Step(1, new=(3,), old=(1, 2), sizes=(3, 1), names=('background', 'a', 'b', 'c'))
        >>> step.num_old, step.num_new, step.channel_of
        (3, 1, {0: 0, 1: 1, 2: 2, 3: 3})
    """

    index: int
    new: tuple[int, ...]
    old: tuple[int, ...]
    sizes: tuple[int, ...]
    names: tuple[str, ...]
    background: bool = True
    domains: tuple[str, ...] = ()
    upcoming: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        for field in ('new', 'old', 'sizes', 'names', 'domains', 'upcoming'):
            object.__setattr__(self, field, tuple(getattr(self, field)))
        channels = len(self.old) + len(self.new) + self.background
        if len(self.sizes) != self.index + 1:
            raise ValueError(f'step {self.index}: sizes {self.sizes} must have {self.index + 1} entries')
        if not sum(self.sizes) == len(self.names) == channels:
            raise ValueError(
                f'step {self.index}: sizes {self.sizes}, {len(self.names)} names and '
                f'{channels} classes with background do not agree'
            )
        if len(set(self.seen)) != len(self.seen):
            raise ValueError(f'step {self.index}: a class is listed twice in {self.seen}')
        if channels > MAX_CHANNELS:
            raise ValueError(f'step {self.index}: {channels} channels; masks hold at most {MAX_CHANNELS}')

    @property
    def is_base(self) -> bool:
        """Whether this is the first step."""
        return self.index == 0

    @property
    def seen(self) -> tuple[int, ...]:
        """Numbers of all classes learned by the end of this step, in channel order."""
        return self.old + self.new

    @property
    def new_names(self) -> tuple[str, ...]:
        """Names of the classes learned in this step, without the background."""
        return self.names[len(self.names) - len(self.new) :]

    @property
    def num_old(self) -> int:
        """Channels of the teacher, including the background; 0 in the first step."""
        return sum(self.sizes[:-1])

    @property
    def num_new(self) -> int:
        """Channels added in this step."""
        return self.sizes[-1]

    @property
    def num_seen(self) -> int:
        """Channels at the end of this step."""
        return sum(self.sizes)

    @property
    def num_future(self) -> int:
        """Channels that later steps of the protocol add; 0 if unknown."""
        return sum(self.upcoming)

    @cached_property
    def channel_of(self) -> dict[int, int]:
        """Channel of every class number seen so far; the background's number is 0."""
        numbers = ((0,) if self.background else ()) + self.seen
        return {number: channel for channel, number in enumerate(numbers)}

    @cached_property
    def step_of_channel(self) -> tuple[int, ...]:
        """The step that added each channel; 0 for the background."""
        return tuple(step for step, size in enumerate(self.sizes) for _ in range(size))

    def to_dict(self) -> dict[str, Any]:
        """Returns the fields as plain values; :meth:`from_dict` reads them back."""
        return {
            field.name: list(value) if isinstance(value := getattr(self, field.name), tuple) else value
            for field in fields(self)
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Step:
        """Builds a step from the values of :meth:`to_dict`."""
        return cls(**values)
