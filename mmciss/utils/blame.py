"""Turning errors raised inside libraries into errors that name the config key."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from mmengine.registry import Registry

from mmciss.errors import ConfigError, close_matches, first_line


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
