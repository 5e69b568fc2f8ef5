"""Transforms: label mapping and the papers' crops."""

from __future__ import annotations

from mmciss.datasets.transforms.load_saliency import LoadSaliency, PackSaliencyInputs
from mmciss.datasets.transforms.map_labels import MapLabels
from mmciss.datasets.transforms.seg_center_crop import SegCenterCrop
from mmciss.datasets.transforms.seg_random_resized_crop import SegRandomResizedCrop

__all__ = ['LoadSaliency', 'MapLabels', 'PackSaliencyInputs', 'SegCenterCrop', 'SegRandomResizedCrop']
