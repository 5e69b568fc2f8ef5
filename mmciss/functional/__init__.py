"""The mathematics of the methods: pure tensor functions, one file per idea, no state.

The classes of a step are channels: background first, then classes in order of arrival; the first
``num_old`` are those of the teacher. Each function computes in at least float32.
"""

from __future__ import annotations

from .auxiliary_classifier import auxiliary_classifier_loss
from .background_attribution import (
    attribution_scores,
    attribution_sum,
    background_attribution,
    masked_sum,
    upsampling_gain,
)
from .binary_cross_entropy import binary_cross_entropy
from .channels import merge_new_into_background
from .class_features import ClassSums, class_sums
from .decomposed_distillation import decompose, decomposed_distillation
from .elastic_weight_consolidation import update_fisher
from .entropy_pseudo_labels import entropy_pseudo_labels, normalised_entropy
from .entropy_thresholds import entropy_histogram, entropy_thresholds, histogram_medians, binned_thresholds
from .feature_attraction import feature_attraction
from .feature_distillation import feature_distillation
from .feature_repulsion import feature_repulsion
from .feature_sparsity import feature_sparsity
from .fuse_weights import balance_factor, fuse_weights
from .gradient_compensation import gradient_compensation
from .importance_penalty import importance_penalty, normalise_importance
from .integrated_gradients import integrated_gradients
from .labels_at import labels_at
from .local_pod import local_pod
from .logit_distillation import logit_distillation
from .merge_parallel_branches import ConvNorm, merge_parallel_branches
from .new_class_bce import new_class_bce
from .path_integral import accumulate_path, path_importance
from .pooled_cube_distillation import pooled_cube_distillation
from .precision import at_least_float32
from .prototype_matching import prototype_matching
from .prototype_relabel import prototype_relabel, rectified_log_probabilities
from .prototypes import update_prototypes
from .reduction import reduce_pixels
from .riemannian_walk import accumulate_walk, finish_walk
from .select_channels import select_channels
from .sigmoid_distillation import sigmoid_distillation
from .soft_relation import sharp_relation, soft_relation
from .threshold_pseudo_labels import threshold_pseudo_labels
from .unbiased_cross_entropy import unbiased_cross_entropy
from .unbiased_distillation import unbiased_distillation

__all__ = [
    'accumulate_path',
    'accumulate_walk',
    'at_least_float32',
    'attribution_scores',
    'attribution_sum',
    'auxiliary_classifier_loss',
    'background_attribution',
    'balance_factor',
    'binary_cross_entropy',
    'binned_thresholds',
    'class_sums',
    'ClassSums',
    'ConvNorm',
    'decompose',
    'decomposed_distillation',
    'entropy_histogram',
    'entropy_pseudo_labels',
    'entropy_thresholds',
    'feature_attraction',
    'feature_distillation',
    'feature_repulsion',
    'feature_sparsity',
    'finish_walk',
    'fuse_weights',
    'gradient_compensation',
    'histogram_medians',
    'importance_penalty',
    'integrated_gradients',
    'labels_at',
    'local_pod',
    'logit_distillation',
    'masked_sum',
    'merge_new_into_background',
    'merge_parallel_branches',
    'new_class_bce',
    'normalise_importance',
    'normalised_entropy',
    'path_importance',
    'pooled_cube_distillation',
    'prototype_matching',
    'prototype_relabel',
    'rectified_log_probabilities',
    'reduce_pixels',
    'select_channels',
    'sharp_relation',
    'sigmoid_distillation',
    'soft_relation',
    'threshold_pseudo_labels',
    'unbiased_cross_entropy',
    'unbiased_distillation',
    'update_fisher',
    'update_prototypes',
    'upsampling_gain',
]
