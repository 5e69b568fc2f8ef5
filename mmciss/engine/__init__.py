"""Running a protocol."""

from mmciss.engine.hooks import NonFiniteLossError, NonFiniteLossHook, ProgressHook, ReproducibleRandomHook, TeacherHook
from mmciss.engine.optimizers import CpuAmpOptimWrapper, SegmentorOptimWrapperConstructor
from mmciss.engine.runner.incremental_runner import IncrementalRunner
from mmciss.engine.runner.launch import CpuDistributedDataParallel
