"""Keeping mmciss, and modules that only training used, out of the configs of exported models."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from mmengine.registry import Registry
from mmseg.registry import MODELS, TRANSFORMS

from mmciss.registry import class_of

OURS = 'mmciss.register_all'
"""The module that registers everything in mmciss."""


def without_mmciss(pipeline: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Returns a test pipeline for plain MMSegmentation: a crop of mmciss becomes the resizing that it starts with."""
    result = []
    for transform in pipeline:
        if getattr(class_of(TRANSFORMS, transform), '__module__', '').split('.')[0] != 'mmciss':
            result.append(transform)
        elif transform.get('crop_size'):
            side = int(transform['crop_size'])
            # The short side becomes the crop's, however long the other is.
            resize = dict(type='Resize', scale=(64 * side, side), keep_ratio=True)
            loads = [index for index, item in enumerate(result) if str(item['type']).endswith('LoadAnnotations')]
            result.insert(loads[0] if loads else len(result), resize)
    return result


def plain_imports(imports: Any, model: Any, pipeline: Any) -> dict[str, Any] | None:
    """Returns the ``custom_imports`` with which plain MMSegmentation finds a model and its pipeline.

    A backbone from the user's own code or another package needs its module. A loss or labeler that only training used
    does not, and it may not even be importable where the model goes. A model with layers of mmciss needs mmciss.

    Args:
        imports: The user's ``custom_imports``, or None.
        model: Config of the exported model.
        pipeline: Config of its test pipeline.

    Returns:
        A config, or None if nothing has to be imported.
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
    """Whether the model of an exported config has layers of mmciss."""
    return OURS in ((config.get('custom_imports') or {}).get('imports') or ())


def _packages(config: Any, registry: Registry) -> Iterator[str]:
    """Yields the top-level packages of all types in a config."""
    if isinstance(config, dict):
        kind = class_of(registry, config)
        if kind is not None:
            yield kind.__module__.partition('.')[0]
    for value in config.values() if isinstance(config, dict) else config if isinstance(config, list | tuple) else ():
        yield from _packages(value, registry)
