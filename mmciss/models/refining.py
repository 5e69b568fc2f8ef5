"""Segmentors whose last head refines chosen points of the head before it (PointRend, arXiv 1912.08193)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from mmseg.models.decode_heads import PointHead
from mmseg.models.utils import resize
from torch import Tensor, nn


def refining_head(segmentor: nn.Module) -> nn.Module | None:
    """Returns the head that refines points, or None; what it refines is the answer for all other pixels."""
    heads = getattr(segmentor, 'decode_head', None)
    return heads[-1] if isinstance(heads, nn.ModuleList) and isinstance(heads[-1], PointHead) else None


def raw_answer(segmentor: nn.Module, inputs: Tensor) -> Any:
    """Runs a segmentor in mode ``'tensor'``, which MMSegmentation cannot do where the last head refines points.

    Args:
        segmentor: A plain or grown segmentor.
        inputs: Images ``(N, 3, H, W)``.
    """
    if refining_head(segmentor) is None:
        return segmentor(inputs, mode='tensor')
    maps = segmentor.extract_feat(inputs)
    answer = segmentor.decode_head[0].forward(maps)
    for head in segmentor.decode_head[1:-1]:
        answer = head.forward(maps, answer)
    return answer


def refined_everywhere(head: nn.Module, maps: Sequence[Tensor], coarse: Tensor) -> Tensor:
    """Returns what the refining head says at every place of the coarse map, ``(N, C, h, w)``.

    In training it sees random points. To compare a student with its teacher, both must look at the same points;
    the places of the coarse map are these.

    Args:
        head: The refining head.
        maps: What the segmentor's ``extract_feat`` returned.
        coarse: Logits of the head before, ``(N, C, h, w)``.
    """
    size = coarse.shape[-2:]
    fine = [
        resize(item, size, mode='bilinear', align_corners=head.align_corners) for item in head._transform_inputs(maps)
    ]
    points = head.forward(torch.cat(fine, 1).flatten(2), coarse.flatten(2))
    return points.unflatten(2, size)
