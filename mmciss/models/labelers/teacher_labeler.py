"""Unlabelled pixels get the class that the old model predicts."""

from __future__ import annotations

import torch

from mmciss.errors import ConfigError
from mmciss.functional import channel_argmax
from mmciss.models.labelers.labeler import Batch, Labeler, Labels
from mmciss.models.outputs import SegOutput
from mmciss.models.step_context import StepContext
from mmciss.protocols.labels import UNKNOWN
from mmciss.protocols.step import Step
from mmciss.registry import LABELERS


@LABELERS.register_module()
class TeacherLabeler(Labeler):
    """Gives pixels labelled :data:`UNKNOWN` the class that the teacher predicts.

    For models without a background class. If the data labels only new classes, all other pixels show an old class, and
    the old model knows best which one. With :class:`~mmciss.models.losses.UnbiasedCrossEntropyLoss` the model learns
    only "some old class" from them; a distillation decides which one.
    """

    labels_unlabelled = True

    def check_step(self, step: Step) -> None:
        """Rejects a step with so many classes that :data:`UNKNOWN` is one of them."""
        if step.num_seen > UNKNOWN:
            raise ConfigError(
                f'method.labeler: TeacherLabeler needs label {UNKNOWN}, but step {step.index} has '
                f'{step.num_seen} classes'
            )

    def forward(self, batch: Batch, teacher: SegOutput | None, context: StepContext) -> Labels:
        """Completes the labels."""
        target = batch.target
        if teacher is None:
            return Labels(target)
        seen = channel_argmax(teacher.logits_at(target.shape[-2:]))
        return Labels(torch.where(target == UNKNOWN, seen, target))
