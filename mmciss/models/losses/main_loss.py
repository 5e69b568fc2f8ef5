"""The base class of losses in MMSegmentation's ``loss_decode``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import Tensor

from mmciss.errors import unknown_name
from mmciss.functional import reduce_pixels
from mmciss.functional.pixel_loss import REDUCTIONS
from mmciss.models.slot import Slot

if TYPE_CHECKING:
    from mmciss.models.outputs import BatchOutputs
    from mmciss.models.step_context import StepContext
    from mmciss.protocols.step import Step


class MainLoss(Slot):
    """Base class of main losses: a subclass computes the loss of each pixel in :meth:`pixel_loss`.

    The signature is that of MMSegmentation's losses, so it works in ``decode_head.loss_decode``, alone or in a list,
    and in auxiliary heads.

    Args:
        reduction: ``'pixel_mean'`` divides by the number of all pixels, ``'valid_mean'`` by the
            number of pixels that are not ignored, ``'none'`` returns the map.
        loss_weight: Factor of the loss.
        loss_name: Name in the log; mmengine adds only names with ``'loss'`` in them to the total loss.

    Attributes:
        context: The step and what it knows, once a model holds the loss.
        outputs: Outputs of both models for the batch, set while a loss of the main head with ``needs`` is computed;
            None in auxiliary heads, which have a different embedding.

    Raises:
        ConfigError: If ``reduction`` is unknown.
    """

    def __init__(self, reduction: str = 'pixel_mean', loss_weight: float = 1.0, loss_name: str = 'loss_ce') -> None:
        super().__init__()
        if reduction not in REDUCTIONS:
            raise unknown_name('reduction', reduction, REDUCTIONS, f'{type(self).__name__}.reduction')
        self.reduction = reduction
        self.loss_weight = loss_weight
        self._loss_name = loss_name
        self.context: StepContext | None = None
        self.outputs: BatchOutputs | None = None

    @property
    def loss_name(self) -> str:
        """Name of the loss in the log."""
        return self._loss_name

    @property
    def num_old(self) -> int:
        """Number of old channels if the step adds new ones, else 0.

        So it is 0 at the base step, and in domain-incremental steps, where every channel is labelled at every step.
        """
        return self.step.num_old if self.step is not None and self.step.num_new else 0

    @property
    def step(self) -> Step | None:
        """The step, once a model holds the loss."""
        return None if self.context is None else self.context.step

    def prepare(self, context: StepContext) -> None:
        """Keeps the context, since MMSegmentation passes only scores and labels."""
        self.context = context

    def pixel_loss(self, logits: Tensor, target: Tensor, ignore_index: int) -> Tensor:
        """Returns the loss of each pixel, shape ``(N, H, W)``, 0 where ``target`` is ignored."""
        raise NotImplementedError

    def forward(
        self,
        cls_score: Tensor,
        label: Tensor,
        weight: Tensor | None = None,
        avg_factor: float | None = None,
        reduction_override: str | None = None,
        ignore_index: int = 255,
        **kwargs: object,
    ) -> Tensor:
        """Computes the weighted loss.

        Args:
            cls_score: Logits, shape ``(N, C, H, W)``, or ``(N, C, P)`` for P points.
            label: Channels or ``ignore_index``, shape ``(N, H, W)`` or ``(N, P)``.
            weight: Factor of each pixel, broadcastable to ``(N, H, W)``.
            avg_factor: Divides the sum over pixels, instead of the reduction's own denominator.
            reduction_override: ``'none'``, ``'sum'``, ``'mean'`` (the configured mean) or None.
            ignore_index: Label of ignored pixels.
            **kwargs: Ignored, as by MMSegmentation's losses.
        """
        if cls_score.dim() == 3:  # points are an image one pixel wide
            cls_score, label = cls_score.unsqueeze(3), label.unsqueeze(2)
            weight = None if weight is None else weight.unsqueeze(2)
        loss = self.pixel_loss(cls_score, label, ignore_index)
        if reduction_override in ('none', 'sum') or avg_factor is not None:
            loss = reduce_pixels(loss, label, 'none', ignore_index, weight)
            if reduction_override != 'none':
                loss = loss.sum() / (1 if avg_factor is None else avg_factor)
        else:
            loss = reduce_pixels(loss, label, self.reduction, ignore_index, weight)
        return self.loss_weight * loss
