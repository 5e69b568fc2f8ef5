"""Losses: thin registered modules around :mod:`mmciss.functional`.

Main losses sit in MMSegmentation's ``decode_head.loss_decode`` slot; extra losses are the values of ``method.losses``.
"""

from __future__ import annotations

from .binary_cross_entropy_loss import AuxiliaryClassifierLoss, NewClassBCELoss, SigmoidCrossEntropyLoss
from .class_orthogonality_loss import ClassOrthogonalityLoss
from .density_distillation_loss import DensityDistillationLoss
from .extra_loss import ExtraLoss, LogitLoss
from .feature_distillation_loss import (
    ClassTokenDistillationLoss,
    FeatureDistillationLoss,
    LocalPODLoss,
    PooledCubeLoss,
    WeightedFeatureDistillationLoss,
)
from .gradient_compensated_cross_entropy_loss import GradientCompensatedCrossEntropyLoss
from .logit_distillation_loss import LabelGuidedDistillationLoss, LogitDistillationLoss, UnbiasedDistillationLoss
from .main_loss import MainLoss
from .masked_feature_distillation_loss import MaskedFeatureDistillationLoss
from .prototype_discrimination_loss import PrototypeDiscriminationLoss
from .prototype_loss import PrototypeLoss
from .query_distillation_loss import QueryDistillationLoss
from .replay_bce_loss import ReplayBCELoss
from .set_loss import SetLoss
from .sigmoid_distillation_loss import DecomposedDistillationLoss, SigmoidDistillationLoss
from .soft_sharp_relation_loss import SoftSharpRelationLoss
from .unbiased_cross_entropy_loss import UnbiasedCrossEntropyLoss
from .uncertainty_loss import UncertaintyLoss

__all__ = [
    'AuxiliaryClassifierLoss',
    'ClassOrthogonalityLoss',
    'ClassTokenDistillationLoss',
    'DecomposedDistillationLoss',
    'DensityDistillationLoss',
    'ExtraLoss',
    'FeatureDistillationLoss',
    'GradientCompensatedCrossEntropyLoss',
    'LabelGuidedDistillationLoss',
    'LocalPODLoss',
    'LogitDistillationLoss',
    'LogitLoss',
    'MainLoss',
    'MaskedFeatureDistillationLoss',
    'NewClassBCELoss',
    'PooledCubeLoss',
    'PrototypeDiscriminationLoss',
    'PrototypeLoss',
    'QueryDistillationLoss',
    'ReplayBCELoss',
    'SetLoss',
    'SigmoidCrossEntropyLoss',
    'SigmoidDistillationLoss',
    'SoftSharpRelationLoss',
    'UnbiasedCrossEntropyLoss',
    'UnbiasedDistillationLoss',
    'UncertaintyLoss',
    'WeightedFeatureDistillationLoss',
]
