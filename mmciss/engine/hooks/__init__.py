"""Hooks of a step."""
from mmciss.engine.hooks.data_check_hook import DataCheckHook
from mmciss.engine.hooks.non_finite_loss_hook import NonFiniteLossError, NonFiniteLossHook
from mmciss.engine.hooks.progress_hook import ProgressHook
from mmciss.engine.hooks.reproducible_random_hook import ReproducibleRandomHook
from mmciss.engine.hooks.statistics_hook import StatisticsHook
from mmciss.engine.hooks.teacher_hook import TeacherHook

__all__ = ['DataCheckHook', 'NonFiniteLossError', 'NonFiniteLossHook', 'ProgressHook', 'ReproducibleRandomHook', 'StatisticsHook',
           'TeacherHook']
