"""Finding the classes of the training data in another data set, by their names."""

from __future__ import annotations

from collections.abc import Sequence

from mmengine.dataset import BaseDataset

from mmciss.errors import ConfigError
from mmciss.protocols.step import BACKGROUND


def classes_of(parts: Sequence[BaseDataset]) -> tuple[str, ...]:
    """Returns the class names of a data set as it numbers them.

    Args:
        parts: The plain data sets it consists of.

    Raises:
        ConfigError: If there are no names, they differ between the parts, or the background is not the first.
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
                f'{key}: data sets that are joined must number the same classes alike; found '
                f'{", ".join(names)} and {", ".join(other)}'
            )
    return names


def match_classes(own: Sequence[str], classes: Sequence[str], key: str) -> tuple[int, ...]:
    """Returns the position of each class of a data set among those of the training data.

    Args:
        own: The data set's classes, in its order.
        classes: The training data's classes, in theirs.
        key: What names the data set in messages.

    Raises:
        ConfigError: If they are not the same classes, naming both lists.

    Examples:
        >>> match_classes(['background', 'dog', 'cat'], ['background', 'cat', 'dog'], 'test')
        (0, 2, 1)
    """
    missing = [name for name in classes if name not in own]
    unknown = [name for name in own if name not in classes]
    if missing or unknown or len(own) != len(classes):
        found = [
            f'{text} {", ".join(map(repr, names))}'
            for text, names in (('lacks', missing), ('has besides', unknown))
            if names
        ] or ['lists a class twice']
        raise ConfigError(
            f'{key}: its classes are not those of the training data: it {" and ".join(found)}. Here: '
            f'{", ".join(own)}; training: {", ".join(classes)}. Give both the same names '
            f'(metainfo.classes), in any order'
        )
    return tuple(list(classes).index(name) for name in own)
