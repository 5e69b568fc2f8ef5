"""Lets the slots of a method look at a sample before anything is computed."""

from __future__ import annotations

from mmengine.hooks import Hook
from mmengine.runner import Runner
from mmseg.registry import HOOKS

from mmciss.datasets.samplers.drawn_index import DrawnIndex
from mmciss.engine.hooks.teacher_hook import unwrap


@HOOKS.register_module()
class DataCheckHook(Hook):
    """Asks the labeler whether the training data has the maps that it reads.

    A labeler that needs more than images and labels has ``check_data(fields)``, which raises a
    :class:`~mmciss.errors.ConfigError` if a field is missing.
    """

    priority = 'VERY_HIGH'

    def before_run(self, runner: Runner) -> None:
        """Loads one training image and hands over the names of its fields."""
        check = getattr(unwrap(runner.model).labeler, 'check_data', None)
        if check is not None:
            # A drawn index leaves the random numbers of the training alone.
            sample = runner.train_dataloader.dataset[DrawnIndex(0, seed=0, draw=0)]
            check(set(sample['data_samples'].keys()))
