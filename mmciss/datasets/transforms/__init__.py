"""Transforms: the mapping of labels, saliency maps, and the papers' crops."""

from __future__ import annotations

from mmciss.datasets.transforms.crops import SegCenterCrop, SegRandomResizedCrop
from mmciss.datasets.transforms.load_saliency import LoadSaliency, PackSaliencyInputs
from mmciss.datasets.transforms.map_labels import MapLabels
