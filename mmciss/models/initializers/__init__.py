"""Initializers give the classifier rows of new classes their first values."""

from __future__ import annotations

from mmciss.models.initializers.attribution_initializer import AttributionInitializer
from mmciss.models.initializers.auxiliary_initializer import AuxiliaryInitializer, UnknownInitializer
from mmciss.models.initializers.background_initializer import BackgroundInitializer
from mmciss.models.initializers.initializer import Initializer, RandomInitializer
from mmciss.models.initializers.pretuned_initializer import FittedInitializer, PretunedInitializer
