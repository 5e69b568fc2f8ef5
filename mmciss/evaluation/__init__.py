"""What the numbers mean: confusion matrices, continual-learning scores, reports."""

from __future__ import annotations

from mmciss.evaluation.confusion import accuracy_from_confusion, confusion_matrix, iou_from_confusion
from mmciss.evaluation.metrics.incremental_iou_metric import IncrementalIoUMetric
from mmciss.evaluation.scores import scalars, step_scores
