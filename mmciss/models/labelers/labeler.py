"""The base class of labelers, what they get and return, and how their weights reach the losses."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mmseg.structures.sampler import BasePixelSampler
from torch import Tensor

from mmciss.functional.resampling import labels_at
from mmciss.models.slot import Slot

if TYPE_CHECKING:
    from mmciss.models.outputs import SegOutput
    from mmciss.models.step_context import StepContext


@dataclass
class Batch:
    """A training batch as it comes from the data loader.

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
    """The labels that the losses get.

    Attributes:
        target: Channels ``(N, H, W)``, 255 = ignore.
        weights: Weight of each pixel in the main loss, broadcastable to ``(N, H, W)``, or None.
    """

    target: Tensor
    weights: Tensor | None = None


class Labeler(Slot):
    """Base class: completes the labels of a step with the teacher's predictions."""

    needs: tuple[str, ...] = ('logits', 'teacher')

    def forward(self, batch: Batch, teacher: SegOutput | None, context: StepContext) -> Labels:
        """Returns new labels.

        Args:
            batch: The batch; its target must not be modified.
            teacher: Output of the model of the previous step, or None at the base step.
            context: The step's context.
        """
        raise NotImplementedError


class PixelWeights(BasePixelSampler):
    """Passes the weights of :class:`Labels` to a head's losses, in the guise of MMSegmentation's pixel sampler.

    Args:
        sampler: The head's own sampler, if it has one; both weights are multiplied.
    """

    def __init__(self, sampler: BasePixelSampler | None = None) -> None:
        self.sampler = sampler
        self.weights: Tensor | None = None

    def sample(self, seg_logit: Tensor, seg_label: Tensor) -> Tensor | None:
        """Returns the weights ``(N, H, W)`` for the labels ``(N, 1, H, W)``."""
        own = None if self.sampler is None else self.sampler.sample(seg_logit, seg_label)
        if self.weights is None:
            return own
        weights = labels_at(self.weights, tuple(seg_label.shape[-2:]))  # a head may use coarser labels
        return weights if own is None else own * weights


def install_pixel_weights(heads: Iterable[Any]) -> list[PixelWeights]:
    """Wraps each head's sampler in a :class:`PixelWeights` and returns these."""
    installed = []
    for head in heads:
        # K-Net's head has neither losses nor a sampler, but its first inner head has both.
        head = head if hasattr(head, 'sampler') else head.kernel_generate_head
        if not isinstance(head.sampler, PixelWeights):
            head.sampler = PixelWeights(head.sampler)
        installed.append(head.sampler)
    return installed
