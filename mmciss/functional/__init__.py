"""The mathematics of the methods: pure tensor functions, one file per idea, no state, no registry."""
from __future__ import annotations

from .binary_cross_entropy import binary_cross_entropy
from .channels import merge_new_into_background
from .feature_distillation import feature_distillation
from .logit_distillation import logit_distillation
from .precision import at_least_float32
from .reduction import reduce_pixels
from .sigmoid_distillation import sigmoid_distillation
from .unbiased_cross_entropy import unbiased_cross_entropy
from .unbiased_distillation import unbiased_distillation

__all__ = [
    'at_least_float32', 'binary_cross_entropy', 'feature_distillation', 'logit_distillation',
    'merge_new_into_background', 'reduce_pixels', 'sigmoid_distillation', 'unbiased_cross_entropy',
    'unbiased_distillation'
]
