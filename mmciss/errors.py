"""The exception for wrong configs, and the sentences its messages are made of."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager


class ConfigError(ValueError):
    """A config asks for something that cannot be done; the message names the key to change."""


def close_matches(name: str, allowed: Iterable[str], count: int = 3, cutoff: float = 0.6) -> str:
    """Returns `` Did you mean 'a' or 'b'?`` for a misspelt name, or an empty string.

    Examples:
        >>> close_matches('overlaped', ['overlapped', 'disjoint'])
        " Did you mean 'overlapped'?"
    """
    found = difflib.get_close_matches(str(name), sorted({str(item) for item in allowed}), count, cutoff)
    return f' Did you mean {" or ".join(map(repr, found))}?' if found else ''


def unknown_name(kind: str, name: object, allowed: Iterable[object], key: str) -> ConfigError:
    """Builds the error for a name that is not in the allowed set.

    Args:
        kind: What the name stands for, for example ``'setting'``.
        name: The value found.
        allowed: The values allowed.
        key: The config key or command-line flag that holds the value.
    """
    names = sorted(map(str, allowed))
    return ConfigError(f'{key}: unknown {kind} {name!r}. Allowed: {", ".join(names)}.{close_matches(str(name), names)}')


@contextmanager
def prefixed(source: str) -> Iterator[None]:
    """Puts the flag, key or file that is being read before the message of any :class:`ConfigError` raised inside."""
    try:
        yield
    except ConfigError as error:
        raise ConfigError(f'{source}: {error}') from error


def flag(name: str) -> str:
    """Returns the command-line flag of an argument.

    Examples:
        >>> flag('val_images')
        '--val-images'
    """
    return '--' + name.replace('_', '-')


def names(items: Sequence[str], limit: int = 6) -> str:
    """Lists names, the first ones only if there are many.

    Examples:
        >>> names(['a', 'b']), names([str(i) for i in range(20)], 3)
        ('a, b', '0, 1, 2 and 17 more')
    """
    if len(items) <= limit:
        return ', '.join(items) or '–'
    return f'{", ".join(items[:limit])} and {len(items) - limit} more'


def first_line(error: BaseException) -> str:
    """Returns the first line of an error's message, or its type where it has none (an empty file's EOFError)."""
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
