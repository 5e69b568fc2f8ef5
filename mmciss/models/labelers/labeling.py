"""What a labeler receives and returns."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Protocol

from torch import Tensor

from mmciss.models.outputs import SegOutput
from mmciss.protocols.step import Step


@dataclass
class LabelBatch:
    """What a labeler may need beside the labels and the teacher.

    Attributes:
        inputs: Preprocessed images ``(N, 3, H, W)``.
        data_samples: MMSegmentation's samples, for extra fields such as saliency maps.
        statistics: What the passes over the step's data found before training.
    """

    inputs: Tensor
    data_samples: list[Any]
    statistics: dict[str, Any] = field(default_factory=dict)


@dataclass
class Labels:
    """The labels that the losses see.

    Attributes:
        target: Channels ``(N, H, W)``, 255 = ignore.
        weights: Weights of the main loss per pixel, broadcastable to ``(N, H, W)``, or None.
    """

    target: Tensor
    weights: Tensor | None = None


class Labeler(Protocol):
    """Completes the labels of a step with what the teacher knows."""

    uses_teacher: bool

    def __call__(self, target: Tensor, teacher: SegOutput | None, step: Step, batch: LabelBatch) -> Labels:
        """Returns new labels; ``target`` itself must not be changed."""
