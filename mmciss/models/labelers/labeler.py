"""What a labeler receives and returns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from torch import Tensor

from mmciss.models.slot import Slot

if TYPE_CHECKING:
    from mmciss.models.outputs import SegOutput
    from mmciss.models.step_context import StepContext


@dataclass
class Batch:
    """A training batch as it comes from the data.

    Attributes:
        inputs: Preprocessed images ``(N, 3, H, W)``.
        target: Channels ``(N, H, W)``, 255 = ignore.
        samples: MMSegmentation's samples, for extra fields such as saliency maps.
    """

    inputs: Tensor
    target: Tensor
    samples: list[Any]


@dataclass
class Labels:
    """The labels that the losses see.

    Attributes:
        target: Channels ``(N, H, W)``, 255 = ignore.
        weights: Weights of the main loss per pixel, broadcastable to ``(N, H, W)``, or None.
    """

    target: Tensor
    weights: Tensor | None = None


class Labeler(Slot):
    """Base class: completes the labels of a step with what the teacher knows."""

    needs = ('logits', 'teacher')

    def forward(self, batch: Batch, teacher: SegOutput | None, context: StepContext) -> Labels:
        """Returns new labels.

        Args:
            batch: The batch; its target must not be changed.
            teacher: What the model of the step before said, or None at the base step.
            context: The step's context.
        """
        raise NotImplementedError
