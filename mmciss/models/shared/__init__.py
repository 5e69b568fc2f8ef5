"""Objects that several slots of a method use, by their name in ``method.shared``."""

from __future__ import annotations

from .embedding_sampler import EmbeddingSampler, MixtureSampler, PrototypeSampler, SphereSampler
from .feature_replay import FeatureReplay, RowReplay
