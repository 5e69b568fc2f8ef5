"""Hooks of a step."""

from mmciss.engine.hooks.importance_hook import ImportanceHook
from mmciss.engine.hooks.non_finite_loss_hook import NonFiniteLossError, NonFiniteLossHook
from mmciss.engine.hooks.parameter_importance_hooks import FisherImportanceHook, PathImportanceHook, WalkImportanceHook
from mmciss.engine.hooks.progress_hook import ProgressHook
from mmciss.engine.hooks.reproducible_random_hook import ReproducibleRandomHook
from mmciss.engine.hooks.statistics_hook import StatisticsHook
from mmciss.engine.hooks.teacher_hook import TeacherHook
from mmciss.engine.hooks.weight_fusion_hook import WeightFusionHook
