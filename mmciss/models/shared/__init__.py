"""Objects that several slots of a method use, by their name in ``method.shared``."""

from __future__ import annotations

from .feature_replay import FeatureReplay

__all__ = ['FeatureReplay']
