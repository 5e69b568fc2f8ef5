"""Passes over a step's data: with the teacher before training, or with the model that learns halfway or after it."""

from mmciss.engine.statistics.background_attribution import BackgroundAttribution
from mmciss.engine.statistics.data_pass import DataPass
from mmciss.engine.statistics.embedding_distributions import ClassPrototypes, EmbeddingDeviation, EmbeddingDistributions
from mmciss.engine.statistics.embedding_mixtures import EmbeddingMixtures
from mmciss.engine.statistics.entropy_thresholds import EntropyThresholds, RectifiedEntropyThresholds
from mmciss.engine.statistics.fitted_rows import FittedRows
from mmciss.engine.statistics.predicted_sites import PredictedSites, RowPrototypes
from mmciss.engine.statistics.ridge_correlations import RidgeCorrelations
from mmciss.engine.statistics.row_pretuning import RowPretuning
from mmciss.engine.statistics.vote_errors import VoteErrors
