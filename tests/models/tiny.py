"""A segmentor of a few thousand weights, and batches for it."""

from __future__ import annotations

import copy
from typing import Any

import torch
from mmengine.config import ConfigDict
from mmengine.structures import PixelData
from mmseg.structures import SegDataSample
from torch import Tensor

from mmciss.protocols.step import Step

NAMES = ('background', 'cat', 'dog', 'cow', 'horse')
BASE = Step(0, new=(1, 2), old=(), sizes=(3,), names=NAMES[:3])
LATER = Step(1, new=(3, 4), old=(1, 2), sizes=(3, 2), names=NAMES)

SEGMENTOR: dict[str, Any] = dict(
    type='EncoderDecoder',
    backbone=dict(
        type='ResNetV1c',
        depth=18,
        base_channels=4,
        stem_channels=4,
        num_stages=4,
        out_indices=(0, 1, 2, 3),
        strides=(1, 2, 1, 1),
        dilations=(1, 1, 2, 4),
        norm_cfg=dict(type='BN'),
        norm_eval=False,
    ),
    decode_head=dict(
        type='FCNHead',
        in_channels=32,
        in_index=3,
        channels=8,
        num_convs=1,
        dropout_ratio=0.0,
        num_classes=3,
        norm_cfg=dict(type='BN'),
        align_corners=False,
        loss_decode=dict(type='CrossEntropyLoss'),
    ),
    auxiliary_head=dict(
        type='FCNHead',
        in_channels=16,
        in_index=2,
        channels=4,
        num_convs=1,
        dropout_ratio=0.0,
        num_classes=3,
        norm_cfg=dict(type='BN'),
        align_corners=False,
        loss_decode=dict(type='CrossEntropyLoss', loss_weight=0.4),
    ),
    train_cfg=dict(),
    test_cfg=dict(mode='whole'),
)


def segmentor_config(num_classes: int = 3, loss: dict | None = None) -> dict[str, Any]:
    """Returns the config with a number of classes and, if wanted, another loss in every head."""
    config = ConfigDict(copy.deepcopy(SEGMENTOR))
    for slot in ('decode_head', 'auxiliary_head'):
        config[slot]['num_classes'] = num_classes
        if loss is not None:
            config[slot]['loss_decode'] = dict(loss)
    return config


def batch(size: int = 2, side: int = 32, channels: int = 5, seed: int = 0) -> tuple[Tensor, list[SegDataSample]]:
    """Draws images ``(N, 3, S, S)`` and labels in blocks of 8 pixels."""
    generator = torch.Generator().manual_seed(seed)
    inputs = torch.randn(size, 3, side, side, generator=generator)
    blocks = torch.randint(0, channels, (size, side // 8, side // 8), generator=generator)
    labels = blocks.repeat_interleave(8, 1).repeat_interleave(8, 2)
    samples = []
    for label in labels:
        shape = (side, side)
        sample = SegDataSample(metainfo=dict(img_shape=shape, ori_shape=shape, pad_shape=shape))
        sample.gt_sem_seg = PixelData(data=label[None])
        samples.append(sample)
    return inputs, samples
