"""The segmentor that learns one step of a protocol."""

from mmciss.models.segmentors.incremental_segmentor import IncrementalSegmentor
