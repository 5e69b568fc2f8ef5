"""Running a protocol."""

from mmciss.engine.cpu import CpuAmpOptimWrapper, CpuDistributedDataParallel
from mmciss.engine.hooks import NonFiniteLossError, NonFiniteLossHook, ProgressHook, ReproducibleRandomHook, TeacherHook
from mmciss.engine.incremental_runner import IncrementalRunner
from mmciss.engine.optim_constructor import SegmentorOptimWrapperConstructor

__all__ = [
    'CpuAmpOptimWrapper',
    'CpuDistributedDataParallel',
    'IncrementalRunner',
    'NonFiniteLossError',
    'NonFiniteLossHook',
    'ProgressHook',
    'ReproducibleRandomHook',
    'SegmentorOptimWrapperConstructor',
    'TeacherHook',
]
