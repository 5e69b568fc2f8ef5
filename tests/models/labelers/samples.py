"""Batches for labelers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from mmciss.models.labelers import Batch, Labeler, Labels
from mmciss.models.outputs import SegOutput
from mmciss.models.step_context import StepContext
from mmciss.protocols.step import Step
from tests.functional import closed_form as cf


def label(
    labeler: Labeler, target: Tensor, teacher: SegOutput | None, step: Step, samples: Sequence = (), **statistics: Any
) -> Labels:
    """Returns the labels of a batch at a step, before which the statistics were found."""
    images = torch.zeros(len(target), 3, *target.shape[-2:])
    return labeler(Batch(images, target, list(samples)), teacher, StepContext(step, statistics=statistics))


def output() -> SegOutput:
    """Logits of four old channels at the labels' size, and five features at half of it."""
    return SegOutput(cf.teacher_logits(), features={'backbone': (torch.zeros(1), cf.wave((2, 5, 4, 4), 0.3, 0.2))})
