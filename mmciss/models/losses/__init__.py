"""Losses: thin registered modules over :mod:`mmciss.functional`.

Main losses sit in MMSegmentation's ``decode_head.loss_decode`` slot; extra losses are the values of
``method.losses``.
"""
from __future__ import annotations

from .extra_loss import ExtraLoss, LogitLoss
from .feature_distillation_loss import FeatureDistillationLoss
from .logit_distillation_loss import LogitDistillationLoss
from .main_loss import MainLoss
from .sigmoid_cross_entropy_loss import SigmoidCrossEntropyLoss
from .sigmoid_distillation_loss import SigmoidDistillationLoss
from .unbiased_cross_entropy_loss import UnbiasedCrossEntropyLoss
from .unbiased_distillation_loss import UnbiasedDistillationLoss

__all__ = [
    'ExtraLoss', 'FeatureDistillationLoss', 'LogitDistillationLoss', 'LogitLoss', 'MainLoss',
    'SigmoidCrossEntropyLoss', 'SigmoidDistillationLoss', 'UnbiasedCrossEntropyLoss',
    'UnbiasedDistillationLoss'
]
