"""Mean squared difference between two feature maps."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from .precision import at_least_float32


def feature_distillation(features: Tensor, teacher_features: Tensor) -> Tensor:
    """Computes the feature distillation of ILT (ICCVW 2019, arXiv 1907.13372).

    The mean runs over all elements: images, channels and positions.

    Args:
        features: Student map, shape ``(N, D, H, W)``.
        teacher_features: Teacher map of the same shape.

    Returns:
        A scalar.

    Raises:
        ValueError: If the shapes differ, which broadcasting would hide.
    """
    if features.shape != teacher_features.shape:
        raise ValueError(
            f'student features {tuple(features.shape)} and teacher features '
            f'{tuple(teacher_features.shape)} differ in shape'
        )
    return F.mse_loss(at_least_float32(features), at_least_float32(teacher_features))
