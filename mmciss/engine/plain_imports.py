"""Which of the user's modules an exported config still has to import."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from mmengine.registry import Registry
from mmseg.registry import MODELS, TRANSFORMS


OURS = 'mmciss.register_all'
"""Registers everything in mmciss."""


def plain_imports(imports: Any, model: Any, pipeline: Any) -> dict[str, Any] | None:
    """Returns the ``custom_imports`` with which plain MMSegmentation finds a model and its pipeline.

    A backbone of the user's own, or of another package, needs its module; a loss or labeler that only training
    used does not, and may not even be importable where mmciss is not. A model with layers of mmciss needs mmciss.

    Args:
        imports: The user's ``custom_imports``, or None.
        model: Config of the exported model.
        pipeline: Config of its test pipeline.

    Returns:
        A config, or None where nothing has to be imported.
    """
    names = (imports or {}).get('imports') or []
    names = [names] if isinstance(names, str) else names
    layers = set(_packages(model, MODELS))
    packages = layers | set(_packages(pipeline, TRANSFORMS))
    needed = [name for name in names if name.partition('.')[0] in packages - {'mmciss'}]
    if 'mmciss' in layers:
        needed.append(OURS)
    if not needed:
        return None
    return dict(imports=needed, allow_failed_imports=bool((imports or {}).get('allow_failed_imports', False)))


def needs_mmciss(config: Any) -> bool:
    """Whether an exported config says that its model has layers of mmciss."""
    return OURS in ((config.get('custom_imports') or {}).get('imports') or ())


def _packages(config: Any, registry: Registry) -> Iterator[str]:
    """Yields the top-level packages of all types in a config."""
    if isinstance(config, dict):
        kind = config.get('type')
        kind = registry.get(kind) if isinstance(kind, str) else kind
        if kind is not None:
            yield kind.__module__.partition('.')[0]
    for value in config.values() if isinstance(config, dict) else config if isinstance(config, list | tuple) else ():
        yield from _packages(value, registry)
