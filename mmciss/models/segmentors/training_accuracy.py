"""The accuracy of training batches that MMSegmentation's heads log, computed in some of the iterations."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mmengine.logging import MessageHub
from mmseg.models.decode_heads import decode_head
from torch import Tensor

from mmciss.utils.patched import patched

if TYPE_CHECKING:
    from mmseg.models.segmentors import BaseSegmentor


def loss_with_accuracy(
    segmentor: BaseSegmentor, inputs: Tensor, data_samples: list[Any], interval: int
) -> dict[str, Tensor]:
    """Returns the losses of a segmentor, with ``acc_seg`` in every ``interval``-th iteration only.

    The accuracy sorts the scores of every pixel at the size of the labels; nothing but the log reads it.

    Args:
        segmentor: The plain segmentor.
        inputs: Images ``(N, 3, H, W)``.
        data_samples: MMSegmentation's samples with ``gt_sem_seg``.
        interval: Number of iterations, 1 for all.
    """
    iteration = 0 if interval == 1 else MessageHub.get_current_instance().get_info('iter', -1)
    if (iteration + 1) % interval == 0:
        return segmentor.loss(inputs, data_samples)
    with patched(decode_head, 'accuracy', lambda *args, **options: None):
        losses = segmentor.loss(inputs, data_samples)
    return {name: value for name, value in losses.items() if value is not None}
