"""Building what a config names: errors begin with the config key, and unknown arguments are found before."""

from __future__ import annotations

import inspect
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from mmengine.registry import Registry

from mmciss.errors import ConfigError, close_matches, first_line

KNOWN_PACKAGES = ('mmengine', 'mmcv', 'mmseg', 'mmpretrain', 'mmdet', 'torch', 'mmciss')


@contextmanager
def blaming(key: str, registry: Registry | None = None, kind: Any = None) -> Iterator[None]:
    """Turns any error inside the block into a :class:`~mmciss.errors.ConfigError` that begins with a config key.

    Errors that already name their cause, and lack of memory, pass unchanged.

    Args:
        key: The config key that the block reads.
        registry: Where its ``type`` is looked up, for suggestions.
        kind: The ``type``.

    Raises:
        ConfigError: If anything fails inside; the original error is its cause.
    """
    try:
        yield
    except (ConfigError, FileNotFoundError, MemoryError):
        raise
    except Exception as error:
        text = first_line(error)
        if isinstance(error, KeyError) and 'is not in the' in text:
            named = text.split()[0].strip('"\'')  # the type itself, or one inside it (a transform of a pipeline)
            found = close_matches(named, registered_names(registry)) if kind in (None, named) else ''
            raise ConfigError(f'{key}: nothing is called {named!r}.{found}') from error
        if isinstance(error, KeyError):
            text = f'missing or unknown: {text}'
        raise ConfigError(f'{key}: {text}') from error


def build(registry: Registry, config: Any, key: str, **defaults: Any) -> Any:
    """Builds a module from its config, naming the config key if that fails.

    Raises:
        ConfigError: If there is no such module, or it refuses its arguments.
    """
    if not isinstance(config, dict) or 'type' not in config:
        raise ConfigError(f'{key}: must be a dictionary with a type, found {config!r}')
    with blaming(key, registry, config['type']):
        return registry.build(dict(config), **defaults)


def registered_names(registry: Registry | None) -> list[str]:
    """Returns the names in a registry and its parents."""
    names: list[str] = []
    while registry is not None:
        names += registry.module_dict
        registry = registry.parent
    return names


def unknown_type(registry: Registry, kind: Any, key: str) -> ConfigError:
    """Builds the error for a type that is not in a registry.

    Args:
        registry: The registry.
        kind: The type.
        key: The config key that holds it.
    """
    return ConfigError(f'{key}: nothing is called {kind!r}.{close_matches(str(kind), registered_names(registry))}')


def accepted_arguments(target: Any) -> tuple[frozenset[str], bool]:
    """Returns the names that a class or function can be called with, and whether it takes any other name too.

    A class with ``**kwargs`` usually passes them to its parent, so the parents' names count; since they may go
    elsewhere, such a class also takes any other name.

    Examples:
        >>> accepted_arguments(lambda size, *, scale=1: None) == ({'size', 'scale'}, False)
        True
    """
    names: set[str] = set()
    functions = (
        [vars(item)['__init__'] for item in target.__mro__ if '__init__' in vars(item)]
        if inspect.isclass(target)
        else [target]
    )
    takes_any = False
    for function in functions:
        try:
            parameters = inspect.signature(function).parameters.values()
        except (TypeError, ValueError):  # written in C
            return frozenset(names), True
        named = [item.name for item in parameters if item.kind in (item.POSITIONAL_OR_KEYWORD, item.KEYWORD_ONLY)]
        names |= set(named[1:] if inspect.isclass(target) else named)
        if not any(item.kind is item.VAR_KEYWORD for item in parameters):
            break
        takes_any = True
    return frozenset(names), takes_any


def check_names(found: Collection[str], allowed: Collection[str], key: str, takes_any: bool = False) -> None:
    """Refuses keys that nothing reads; where any key may be given, those that look like a misspelt known one.

    Raises:
        ConfigError: Naming the key, what is allowed and what was probably meant.
    """
    for name in found:
        if name in allowed:
            continue
        meant = close_matches(name, allowed, 1, 0.8 if takes_any else 0.6)
        if not takes_any:
            raise ConfigError(f'{key}.{name}: unknown key. Allowed: {", ".join(sorted(allowed))}.{meant}')
        if meant:
            raise ConfigError(f'{key}.{name}: unknown key.{meant}')


def check_component(
    registry: Registry, config: Any, key: str, given: Collection[str] = (), default: str | None = None
) -> None:
    """Checks the type and the names of the arguments of a config without building anything.

    Args:
        registry: Where the type is looked up.
        config: The config.
        key: Its key.
        given: Arguments that the code adds when it builds the class, which the config must not have.
        default: The type, if the config has none.

    Raises:
        ConfigError: If there is no such type, or it does not take such an argument.
    """
    if not isinstance(config, Mapping):
        raise ConfigError(f'{key}: must be a dictionary with a type, found {config!r}')
    kind = config.get('type', default)
    if kind is None:
        raise ConfigError(f'{key}: must be a dictionary with a type, found {dict(config)!r}')
    target = registry.get(kind) if isinstance(kind, str) else kind
    if target is None:
        raise unknown_type(registry, kind, f'{key}.type')
    if callable(target):
        names, takes_any = accepted_arguments(target)
        if takes_any and str(getattr(target, '__module__', '')).split('.')[0] not in KNOWN_PACKAGES:
            return  # a user's own class may read any other name
        check_names([name for name in config if name not in ('type', '_scope_')], names - set(given), key, takes_any)
