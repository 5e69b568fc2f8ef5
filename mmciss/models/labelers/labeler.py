"""What a labeler receives and returns, and how its weights reach the losses."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mmseg.structures.sampler import BasePixelSampler
from torch import Tensor

from mmciss.functional.labels_at import labels_at
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

    needs: tuple[str, ...] = ('logits', 'teacher')

    def forward(self, batch: Batch, teacher: SegOutput | None, context: StepContext) -> Labels:
        """Returns new labels.

        Args:
            batch: The batch; its target must not be changed.
            teacher: What the model of the step before said, or None at the base step.
            context: The step's context.
        """
        raise NotImplementedError


class PixelWeights(BasePixelSampler):
    """Passes the weights of :class:`Labels` to a head's losses, as the sampler that MMSegmentation's heads may have.

    Args:
        sampler: The head's sampler from its config; its weights are multiplied with ours.
    """

    def __init__(self, sampler: BasePixelSampler | None = None) -> None:
        self.sampler = sampler
        self.weights: Tensor | None = None

    def sample(self, seg_logit: Tensor, seg_label: Tensor) -> Tensor | None:
        """Returns the weights ``(N, H, W)`` for the labels ``(N, 1, H, W)``."""
        own = None if self.sampler is None else self.sampler.sample(seg_logit, seg_label)
        if self.weights is None:
            return own
        weights = labels_at(self.weights, tuple(seg_label.shape[-2:]))  # a head may look at coarser labels
        return weights if own is None else own * weights


def install_pixel_weights(heads: Iterable[Any]) -> list[PixelWeights]:
    """Puts a :class:`PixelWeights` before each head's sampler and returns them."""
    installed = []
    for head in heads:
        # K-Net's head has neither losses nor a sampler of its own; its first inner head has.
        head = head if hasattr(head, 'sampler') else head.kernel_generate_head
        if not isinstance(head.sampler, PixelWeights):
            head.sampler = PixelWeights(head.sampler)
        installed.append(head.sampler)
    return installed
