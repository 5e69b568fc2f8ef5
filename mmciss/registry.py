"""The registry nodes that MMSegmentation does not have, and looking into one.

Everything else registers straight into :mod:`mmseg.registry`, so that ``default_scope`` stays ``'mmseg'`` and every
tool of MMSegmentation finds it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mmengine.registry import Registry

INITIALIZERS = Registry('initializer', scope='mmseg', locations=['mmciss.models.initializers'])
"""How the classifier rows of new classes start, see :mod:`mmciss.models.initializers`."""

LABELERS = Registry('labeler', scope='mmseg', locations=['mmciss.models.labelers'])
"""How the teacher completes the labels of a step, see :mod:`mmciss.models.labelers`."""

STATISTICS = Registry('statistics', scope='mmseg', locations=['mmciss.engine.statistics'])
"""Passes over a step's data before training, see :mod:`mmciss.engine.statistics`."""

STRUCTURES = Registry('structure', scope='mmseg', locations=['mmciss.models.structures'])
"""Layers that a method adds inside the network, see :mod:`mmciss.models.structures`."""


def class_of(registry: Registry, config: Mapping[str, Any] | None) -> Any:
    """Returns the class that a config's ``type`` names or is; None if there is no config, type or such a class."""
    kind = (config or {}).get('type')
    return registry.get(kind) if isinstance(kind, str) else kind


def is_ours(kind: Any) -> bool:
    """Whether a class is one of mmciss, which plain MMSegmentation does not have."""
    return str(getattr(kind, '__module__', '')).split('.')[0] == 'mmciss'
