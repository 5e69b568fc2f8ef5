"""The new classes: their names, ids and colours."""

from __future__ import annotations

import colorsys
from collections.abc import Sequence

import numpy as np

from mmciss.errors import ConfigError
from mmciss.protocols.protocol import Protocol
from mmciss.protocols.step import MAX_CHANNELS, Step

Colour = tuple[int, int, int]


def check_new_names(new: Sequence[str], old: Sequence[str]) -> tuple[str, ...]:
    """Rejects names that are empty, repeated or taken.

    Args:
        new: Names of the classes to add.
        old: Names of the classes that the model has.

    Raises:
        ConfigError: Naming the class.

    Examples:
        >>> check_new_names(['forklift', 'pallet'], ['background', 'person'])
        ('forklift', 'pallet')
    """
    names = tuple(str(name).strip() for name in new)
    if not names or not all(names):
        raise ConfigError(f'--classes: {list(new)}; give the name of at least one new class')
    for name in names:
        if not name.isprintable():
            raise ConfigError(f'--classes: {name!r} holds characters that cannot be printed')
    # Names that differ only in case, 'Person' and 'person', are a slip.
    taken = {name.lower(): (index, name) for index, name in enumerate(old)}
    for name in names:
        if name.lower() in taken:
            index, known = taken[name.lower()]
            raise ConfigError(
                f'--classes: the model has a class {known!r} already (id {index}). Choose names '
                f'other than {", ".join(old)}'
            )
    lowered = [name.lower() for name in names]
    if repeated := sorted({name for name in lowered if lowered.count(name) > 1}):
        raise ConfigError(f'--classes: listed more than once: {", ".join(repeated)}')
    if len(old) + len(names) > MAX_CHANNELS - 1:
        raise ConfigError(
            f'--classes: {len(old)} classes and {len(names)} new ones are too many; masks can hold {MAX_CHANNELS - 1}'
        )
    return names


def extension_protocol(old: Sequence[str], new: Sequence[str], background: bool) -> Protocol:
    """Returns the protocol of an extension: the classes of the model, followed by the new ones; old ids stay.

    Args:
        old: Names of the model's classes.
        new: Names of the new ones.
        background: Whether class 0 is the background.

    Examples:
        >>> step = extension_protocol(['background', 'cat'], ['dog'], background=True)[1]
        >>> step.sizes, step.names, step.new
        ((2, 1), ('background', 'cat', 'dog'), (2,))
    """
    known = tuple(range(1, len(old) - background + 1))
    added = tuple(range(len(known) + 1, len(known) + len(new) + 1))
    names = (*old, *new)
    steps = (
        Step(0, known, (), (len(old),), tuple(old), background, upcoming=(len(new),)),
        Step(1, added, known, (len(old), len(new)), names, background),
    )
    return Protocol(f'{len(known)}-{len(new)}', 'explicit', names[background:], background, steps)


def extend_palette(palette: Sequence[Colour], num_old: int, num_new: int, background: bool) -> tuple[Colour, ...]:
    """Adds colours that differ as much as possible from the existing ones.

    Args:
        palette: Colours of the old classes; empty if unknown, and then all are chosen here.
        num_old: Number of old classes.
        num_new: Number of new classes.
        background: Whether class 0 is the background, which is black if the colours are unknown.
    """
    chosen: list[tuple[int, ...]] = [tuple(map(int, colour)) for colour in palette]
    if not chosen and background:
        chosen = [(0, 0, 0)]
    hues = [(h / 48, s, v) for v in (1.0, 0.7, 0.45) for s in (1.0, 0.55) for h in range(48)]
    candidates = np.array([[round(255 * part) for part in colorsys.hsv_to_rgb(*hue)] for hue in hues])
    while len(chosen) < num_old + num_new:
        if not chosen:
            chosen.append(tuple(map(int, candidates[0])))
            continue
        distance = np.abs(candidates[:, None] - np.array(chosen)[None]).sum(-1).min(1)
        chosen.append(tuple(map(int, candidates[distance.argmax()])))
    return tuple((red, green, blue) for red, green, blue in chosen)
