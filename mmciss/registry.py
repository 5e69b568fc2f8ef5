"""The registry nodes that MMSegmentation does not have.

Everything else registers straight into :mod:`mmseg.registry`, so that ``default_scope`` stays ``'mmseg'`` and every
tool of MMSegmentation finds it.
"""

from __future__ import annotations

from mmengine.registry import Registry

INITIALIZERS = Registry('initializer', scope='mmseg', locations=['mmciss.models.initializers'])
"""How the classifier rows of new classes start, see :mod:`mmciss.models.initializers`."""

LABELERS = Registry('labeler', scope='mmseg', locations=['mmciss.models.labelers'])
"""How the teacher completes the labels of a step, see :mod:`mmciss.models.labelers`."""

STATISTICS = Registry('statistics', scope='mmseg', locations=['mmciss.engine.statistics'])
"""Passes over a step's data before training, see :mod:`mmciss.engine.statistics`."""

STRUCTURES = Registry('structure', scope='mmseg', locations=['mmciss.models.structures'])
"""Layers that a method adds inside the network, see :mod:`mmciss.models.structures`."""
