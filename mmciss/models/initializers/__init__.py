"""How the classifier rows of new classes start."""
from __future__ import annotations

from mmciss.models.initializers.background_initializer import BackgroundInitializer
from mmciss.models.initializers.context import InitializerContext
from mmciss.models.initializers.initializer import Initializer
from mmciss.models.initializers.random_initializer import RandomInitializer

__all__ = ['BackgroundInitializer', 'Initializer', 'InitializerContext', 'RandomInitializer']
