"""Attaches the model of the previous step as the teacher."""

from __future__ import annotations

from typing import Any

from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner
from mmseg.registry import HOOKS
from torch import nn

from mmciss.models.teacher import build_teacher, trunk_is_frozen


def unwrap(model: nn.Module) -> Any:
    """Returns the model inside a wrapper such as DistributedDataParallel."""
    return model.module if is_model_wrapper(model) else model


@HOOKS.register_module()
class TeacherHook(Hook):
    """Builds the teacher before the step starts, and logs which checkpoint it comes from.

    If nothing before the classifier learns, the teacher is the old classifier on the student's own trunk, since a
    second network would compute the same maps. What is frozen decides this.
    """

    priority = 'VERY_HIGH'

    def __init__(self) -> None:
        self.trained = False
        self.shares_trunk = False

    def before_run(self, runner: Runner) -> None:
        """Builds and attaches the teacher, unless no slot of the method asks for one."""
        model = unwrap(runner.model)
        if self.trained:  # mmengine also calls this before a test
            return
        if model.previous is None:
            runner.logger.info('Step 0 learns without a teacher.')
            return
        self.shares_trunk = model.needs_teacher and trunk_is_frozen(model)
        # The student's weights are loaded after this hook, so passes over the data need a network of their own.
        at_once = self._statistics_need_it(runner) or (model.needs_teacher and not self.shares_trunk)
        if model.teacher is None and at_once:
            model.set_teacher(build_teacher(model, next(model.parameters()).device))
        source = model.previous.model
        runner.logger.info(
            f'Step {model.step.index} starts from {source}; '
            + (
                f'the teacher is {source}'
                if at_once or self.shares_trunk
                else 'no slot of the method asks for a teacher'
            )
            + (', with the trunk of the student, since that is frozen.' if self.shares_trunk else '.')
        )

    def before_train(self, runner: Runner) -> None:
        """Makes the student's own frozen trunk the teacher, now that its weights are loaded."""
        if self.shares_trunk:
            model = unwrap(runner.model)
            model.set_teacher(build_teacher(model, next(model.parameters()).device, share_trunk=True))

    @staticmethod
    def _statistics_need_it(runner: Runner) -> bool:
        return any(type(hook).__name__ == 'StatisticsHook' for hook in runner.hooks)

    def after_train(self, runner: Runner) -> None:
        """Drops the teacher, to free its memory for evaluation."""
        unwrap(runner.model).set_teacher(None)
        self.trained = True
