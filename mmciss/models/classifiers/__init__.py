"""Classifiers that grow: the layers, how they are found in a head, how they are exported."""

from __future__ import annotations

from mmciss.models.classifiers.export import plain_model_cfg, plain_state_dict
from mmciss.models.classifiers.grow import build_grown_segmentor, grow_head, grow_layer, grow_segmentor, growing_heads
from mmciss.models.classifiers.growable import Growable, GrowableConv1d, GrowableConv2d, GrowableLinear, growable_layers
from mmciss.models.classifiers.old_rows import load_old_rows
from mmciss.models.classifiers.probe import find_growable
