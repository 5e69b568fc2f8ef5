"""What the labels leave open is what the old model says."""

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
    """Gives pixels labelled :data:`UNKNOWN` the class that the teacher sees.

    For models without a background class: data that labels only new classes says of all other pixels that they
    are none of these, so they show an old class, and the old model knows best which. With
    :class:`~mmciss.models.losses.UnbiasedCrossEntropyLoss` only "some old class" is learned from them, and a
    distillation decides which.

    Raises:
        ConfigError: If there are so many classes that the label is one of them.
    """

    labels_unlabelled = True

    def check_step(self, step: Step) -> None:
        """Refuses a step with so many classes that the label is one of them."""
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
