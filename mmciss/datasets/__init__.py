"""Data sets: one step's view of ordinary ones, and the data that every machine has."""
from __future__ import annotations

from mmciss.datasets.incremental_dataset import IncrementalDataset
from mmciss.datasets.samplers import DrawnIndex, IncrementalInfiniteSampler
from mmciss.datasets.shapes import ShapesDataset
from mmciss.datasets.transforms import MapLabels, SegCenterCrop, SegRandomResizedCrop
from mmciss.datasets.voc6 import Voc6Dataset

__all__ = ['DrawnIndex', 'IncrementalDataset', 'IncrementalInfiniteSampler', 'MapLabels',
           'SegCenterCrop', 'SegRandomResizedCrop', 'ShapesDataset', 'Voc6Dataset']
