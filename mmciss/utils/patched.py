"""Replacing a method of one object for the length of a call."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

ABSENT = object()


@contextmanager
def patched(owner: Any, name: str, function: Callable[..., Any]) -> Iterator[None]:
    """Replaces an object's method with a function inside a ``with`` block.

    Only this object changes, not its class and not copies made before. Blocks may be nested; each puts back what it
    found, also after an exception.

    Args:
        owner: The object.
        name: Name of the method.
        function: What is called instead, without the object as first argument.

    Examples:
        >>> class Bell:
        ...     def ring(self):
        ...         return 'ding'
        >>> bell = Bell()
        >>> with patched(bell, 'ring', lambda: 'dong'):
        ...     bell.ring()
        'dong'
        >>> bell.ring(), vars(bell)
        ('ding', {})
    """
    before = vars(owner).get(name, ABSENT)
    setattr(owner, name, function)
    try:
        yield
    finally:
        if before is ABSENT:
            delattr(owner, name)
        else:
            setattr(owner, name, before)
