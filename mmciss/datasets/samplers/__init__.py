"""Samplers: who is drawn when."""

from __future__ import annotations

from mmciss.datasets.samplers.drawn_index import DrawnIndex
from mmciss.datasets.samplers.incremental_infinite_sampler import IncrementalInfiniteSampler
from mmciss.datasets.samplers.replay_sampler import ReplaySampler

__all__ = ['DrawnIndex', 'IncrementalInfiniteSampler', 'ReplaySampler']
