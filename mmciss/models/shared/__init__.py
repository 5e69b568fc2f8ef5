"""Objects that several slots of a method use, by their name in ``method.shared``."""

from __future__ import annotations

from .embedding_sampler import EmbeddingSampler, PrototypeSampler, SphereSampler
from .feature_replay import FeatureReplay
from .mixture_sampler import MixtureSampler
from .row_replay import RowReplay

__all__ = ['EmbeddingSampler', 'FeatureReplay', 'MixtureSampler', 'PrototypeSampler', 'RowReplay', 'SphereSampler']
