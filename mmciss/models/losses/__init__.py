"""Losses: thin registered modules around :mod:`mmciss.functional`.

Main losses sit in MMSegmentation's ``decode_head.loss_decode`` slot; extra losses are the values of ``method.losses``.
"""

from __future__ import annotations

from .auxiliary_classifier_loss import AuxiliaryClassifierLoss
from .decomposed_distillation_loss import DecomposedDistillationLoss
from .extra_loss import ExtraLoss, LogitLoss
from .feature_distillation_loss import FeatureDistillationLoss
from .gradient_compensated_cross_entropy_loss import GradientCompensatedCrossEntropyLoss
from .label_guided_distillation_loss import LabelGuidedDistillationLoss
from .local_pod_loss import LocalPODLoss
from .logit_distillation_loss import LogitDistillationLoss
from .main_loss import MainLoss
from .masked_feature_distillation_loss import MaskedFeatureDistillationLoss
from .new_class_bce_loss import NewClassBCELoss
from .pooled_cube_loss import PooledCubeLoss
from .prototype_discrimination_loss import PrototypeDiscriminationLoss
from .prototype_loss import PrototypeLoss
from .replay_bce_loss import ReplayBCELoss
from .sigmoid_cross_entropy_loss import SigmoidCrossEntropyLoss
from .sigmoid_distillation_loss import SigmoidDistillationLoss
from .soft_sharp_relation_loss import SoftSharpRelationLoss
from .unbiased_cross_entropy_loss import UnbiasedCrossEntropyLoss
from .unbiased_distillation_loss import UnbiasedDistillationLoss

__all__ = [
    'AuxiliaryClassifierLoss',
    'DecomposedDistillationLoss',
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
    'ReplayBCELoss',
    'SigmoidCrossEntropyLoss',
    'SigmoidDistillationLoss',
    'SoftSharpRelationLoss',
    'UnbiasedCrossEntropyLoss',
    'UnbiasedDistillationLoss',
]
