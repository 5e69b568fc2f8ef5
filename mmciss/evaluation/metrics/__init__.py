"""Metrics that MMSegmentation's evaluators build by name."""

from mmciss.evaluation.metrics.incremental_iou_metric import IncrementalIoUMetric
