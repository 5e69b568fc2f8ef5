"""A small teacher, and images whose labels know only its classes and two new ones."""

from __future__ import annotations

import torch
from torch import Tensor

import mmciss.register_all
from mmciss.models.classifiers import build_grown_segmentor
from mmciss.models.teacher import Teacher
from tests.models.tiny import segmentor_config

Batches = list[tuple[Tensor, Tensor]]


def teacher(sharpness: float = 4.0) -> Teacher:
    """Returns a random model that predicts background and two classes, surely and not."""
    torch.manual_seed(0)
    result = Teacher(build_grown_segmentor(segmentor_config(3), (3,)))
    embedding = result(batches()[0][0]).embedding
    group = result.segmentor.decode_head.conv_seg.steps[0]
    weight = torch.randn_like(group.weight) * sharpness / embedding.std((0, 2, 3), keepdim=True).clamp(min=1e-3)
    with torch.no_grad():
        group.weight.copy_(weight)
        group.bias.copy_(-(weight * embedding.mean((0, 2, 3), keepdim=True)).sum((1, 2, 3)))
    return result


def batches(sizes: tuple[int, ...] = (2, 2, 1), side: int = 64, seed: int = 0) -> Batches:
    """Draws images ``(N, 3, S, S)`` and labels 0 (most), 3, 4 and 255 in blocks of 8 pixels."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.tensor([0, 0, 0, 0, 3, 4, 255])
    drawn = []
    for size in sizes:
        inputs = torch.randn(size, 3, side, side, generator=generator) * 2
        blocks = labels[torch.randint(0, len(labels), (size, side // 8, side // 8), generator=generator)]
        drawn.append((inputs, blocks.repeat_interleave(8, 1).repeat_interleave(8, 2)))
    return drawn
