"""Losses: thin registered modules around :mod:`mmciss.functional`.

Main losses sit in MMSegmentation's ``decode_head.loss_decode`` slot; extra losses are the values of ``method.losses``.
"""

from __future__ import annotations

from .binary_cross_entropy_loss import AuxiliaryClassifierLoss, NewClassBCELoss, ReplayBCELoss, SigmoidCrossEntropyLoss
from .class_orthogonality_loss import ClassOrthogonalityLoss
from .cross_entropy_loss import GradientCompensatedCrossEntropyLoss, UnbiasedCrossEntropyLoss
from .density_distillation_loss import DensityDistillationLoss
from .extra_loss import ExtraLoss, LogitLoss
from .feature_distillation_loss import (
    ClassTokenDistillationLoss,
    FeatureDistillationLoss,
    LocalPODLoss,
    MaskedFeatureDistillationLoss,
    PooledCubeLoss,
    WeightedFeatureDistillationLoss,
)
from .logit_distillation_loss import (
    DecomposedDistillationLoss,
    LabelGuidedDistillationLoss,
    LogitDistillationLoss,
    QueryDistillationLoss,
    SigmoidDistillationLoss,
    SoftSharpRelationLoss,
    UnbiasedDistillationLoss,
)
from .main_loss import MainLoss
from .prototype_loss import PrototypeDiscriminationLoss, PrototypeLoss
from .set_loss import SetLoss
from .uncertainty_loss import UncertaintyLoss
