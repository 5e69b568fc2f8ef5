"""Attaches the model of the step before."""
from __future__ import annotations

from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner
from mmseg.registry import HOOKS
from torch import nn


def unwrap(model: nn.Module) -> nn.Module:
    """Returns the model inside DistributedDataParallel and the like."""
    return model.module if is_model_wrapper(model) else model


@HOOKS.register_module()
class TeacherHook(Hook):
    """Builds the teacher before anything of the step runs, and announces which checkpoint teaches."""

    priority = 'VERY_HIGH'

    def before_run(self, runner: Runner) -> None:
        """Builds and attaches the teacher, unless no slot of the method asks for one."""
        from mmciss.models.building import build_teacher
        model = unwrap(runner.model)
        if model.previous is None:
            runner.logger.info('Step 0 learns without a teacher.')
            return
        if model.teacher is None and (model.needs_teacher or self._statistics_need_it(runner)):
            model.set_teacher(build_teacher(model, next(model.parameters()).device))
        source = model.previous['model']
        runner.logger.info(f'Step {model.step.index} starts from {source}; '
                           + (f'the teacher is {source}.' if model.teacher is not None else 'no slot of the method '
                              'asks for a teacher.'))

    @staticmethod
    def _statistics_need_it(runner: Runner) -> bool:
        return any(type(hook).__name__ == 'StatisticsHook' for hook in runner.hooks)

    def after_train(self, runner: Runner) -> None:
        """Lets the teacher go, so that evaluation has its memory."""
        unwrap(runner.model).set_teacher(None)
