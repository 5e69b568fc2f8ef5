"""Classifiers that grow: the layers, how they are found in a head, how they are exported."""

from __future__ import annotations

from mmciss.models.classifiers.export import plain_model_cfg, plain_state_dict
from mmciss.models.classifiers.grow import grow_head, grow_layer, grow_segmentor, segmentation_heads
from mmciss.models.classifiers.growable import Growable, growable_layers, load_old_rows
from mmciss.models.classifiers.growable_conv1d import GrowableConv1d
from mmciss.models.classifiers.growable_conv2d import GrowableConv2d
from mmciss.models.classifiers.growable_linear import GrowableLinear
from mmciss.models.classifiers.probe import find_growable

__all__ = [
    'Growable',
    'GrowableConv1d',
    'GrowableConv2d',
    'GrowableLinear',
    'find_growable',
    'grow_head',
    'grow_layer',
    'grow_segmentor',
    'growable_layers',
    'load_old_rows',
    'plain_model_cfg',
    'plain_state_dict',
    'segmentation_heads',
]
