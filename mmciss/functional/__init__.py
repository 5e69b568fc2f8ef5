"""The mathematics of the methods: pure tensor functions, one file per idea, no state.

The classes of a step are channels: background first, then classes in order of arrival; the first ``num_old`` are those
of the teacher. Each function computes in at least float32.
"""

from __future__ import annotations

from .background_attribution import (
    attribution_scores,
    integrated_gradients,
    linear_attribution,
    masked_sum,
    select_channels,
    upsampling_gain,
)
from .binary_cross_entropy import auxiliary_classifier_loss, binary_cross_entropy, new_class_bce
from .contrastive_learning import class_orthogonality, feature_attraction, feature_repulsion, feature_sparsity
from .cross_entropy import gradient_compensation, unbiased_cross_entropy
from .feature_distillation import (
    feature_distillation,
    local_pod,
    merge_new_into_background,
    pooled_cube_distillation,
    weighted_feature_distillation,
)
from .feature_replay import (
    Amounts,
    EmbeddingDistribution,
    EmbeddingSums,
    compensate,
    embedding_sums,
    masked_feature_distillation,
    predicted_classes,
    prototype_discrimination,
    replay_amounts,
    replay_bce,
    replay_features,
    sphere_noise,
)
from .fuse_weights import ConvNorm, balance_factor, fuse_weights, merge_parallel_branches
from .gaussian_mixture import GaussianMixture, fit_mixture
from .importance import (
    accumulate_path,
    accumulate_walk,
    finish_walk,
    normalise_importance,
    path_importance,
    update_fisher,
)
from .logit_distillation import (
    label_guided_distillation,
    logit_distillation,
    sharp_relation,
    soft_relation,
    unbiased_distillation,
)
from .new_rows import fit_new_rows, positive_contributions, transformed_rows, with_mean_norm
from .numerics import at_least_float32, channel_argmax
from .pixel_loss import reduce_pixels
from .prototypes import ClassSums, class_sums, prototype_matching, row_prototypes, update_prototypes
from .pseudo_labels import (
    binned_thresholds,
    entropy_histogram,
    entropy_pseudo_labels,
    histogram_medians,
    ignore_unsure_background,
    normalised_entropy,
    rectified_log_probabilities,
    threshold_pseudo_labels,
)
from .queries import mask_pseudo_labels, query_distillation
from .resampling import labels_at
from .ridge_regression import (
    Correlations,
    correlations,
    correlations_of_rows,
    hidden_sites,
    random_features,
    random_projection,
    reveal_hidden_sites,
    solve_ridge,
)
from .sigmoid_distillation import decompose, decomposed_distillation, sigmoid_distillation
from .uncertainty import two_best, uncertainty
from .window_vote import largest_window, vote_errors, window_vote
