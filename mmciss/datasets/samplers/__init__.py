"""Samplers: who is drawn when."""
from __future__ import annotations

from mmciss.datasets.samplers.drawn_index import DrawnIndex
from mmciss.datasets.samplers.incremental_infinite_sampler import IncrementalInfiniteSampler

__all__ = ['DrawnIndex', 'IncrementalInfiniteSampler']
