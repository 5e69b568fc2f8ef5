"""Data sets: one step's view of an ordinary data set, stored images, and the built-in shapes."""

from __future__ import annotations

from mmciss.datasets.cityscapes_label_ids import CityscapesLabelIdsDataset
from mmciss.datasets.incremental_dataset import IncrementalDataset
from mmciss.datasets.pair_dataset import PairDataset
from mmciss.datasets.replay_dataset import ReplayDataset
from mmciss.datasets.samplers import DrawnIndex, IncrementalInfiniteSampler, ReplaySampler
from mmciss.datasets.shapes import ShapesDataset
from mmciss.datasets.transforms import LoadSaliency, MapLabels, PackSaliencyInputs, SegCenterCrop, SegRandomResizedCrop
from mmciss.datasets.voc6 import Voc6Dataset
