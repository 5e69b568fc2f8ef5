"""The metric that evaluates every step."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from mmengine.evaluator import BaseMetric
from mmengine.logging import MMLogger, print_log
from mmseg.registry import METRICS
from prettytable import PrettyTable

from mmciss.errors import ConfigError
from mmciss.evaluation.confusion import ABSENT_RULES, accuracy_from_confusion, confusion_matrix, iou_from_confusion
from mmciss.evaluation.continual import learned_at
from mmciss.evaluation.scores import step_scores

NAMES = {
    'all': 'mIoU',
    'old': 'mIoU_old',
    'new': 'mIoU_new',
    'harmonic': 'hIoU',
    'all_no_background': 'mIoU_no_background',
    'old_no_background': 'mIoU_old_no_background',
    'pixel_accuracy': 'aAcc',
    'class_accuracy': 'mAcc',
}
"""Our scores under the names that MMSegmentation's users know."""


@METRICS.register_module()
class IncrementalIoUMetric(BaseMetric):
    """Mean IoU of old, new and all classes over the channels seen so far.

    Every image gives one small sparse confusion matrix. mmengine collects these from all ranks in
    the order of the data set and cuts off the images that its sampler repeated to make ranks
    equally long, so none counts twice. An image of 150 classes takes some hundred bytes.

    Args:
        sizes: Channels added by each step, the first entry counting the background.
        background: Whether channel 0 is the background.
        count_background: Whether the log shows means with it: where the data set has such a class.
        ignore_index: The label to leave out.
        absent: What the IoU of a class without ground truth is: ``'exclude'``, ``'zero'`` or
            ``'mmseg'``, see :func:`mmciss.evaluation.confusion.iou_from_confusion`.
        collect_device: Where results of several ranks are collected, ``'cpu'`` or ``'gpu'``.
        prefix: Put before every name of a score.
        collect_dir: A folder shared by all ranks, for ``collect_device='cpu'``.

    Attributes:
        confusion: Counts ``(n, n)``, int64, rows = ground truth, of the last evaluation; on the
            main process only, None elsewhere and before.
        num_images: The number of images in it.

    Raises:
        ConfigError: If ``sizes`` or ``absent`` is wrong, or the data set has other classes than ``sizes`` says.
    """

    # None would warn; an empty prefix leaves the names as they are, for ``save_best='mIoU'``.
    default_prefix = ''

    def __init__(
        self,
        sizes: Sequence[int],
        background: bool = True,
        count_background: bool = True,
        ignore_index: int = 255,
        absent: str = 'exclude',
        collect_device: str = 'cpu',
        prefix: str | None = None,
        collect_dir: str | None = None,
    ) -> None:
        super().__init__(collect_device=collect_device, prefix=prefix, collect_dir=collect_dir)
        if absent not in ABSENT_RULES:
            raise ConfigError(f'test_evaluator.absent: unknown rule {absent!r}. Allowed: {", ".join(ABSENT_RULES)}.')
        if not sizes or sizes[0] < 1 or any(size < 0 for size in sizes):
            raise ConfigError(
                f'test_evaluator.sizes: found {list(sizes)}, allowed are the channels added by '
                f'each step, at least 1 in the first'
            )
        self.sizes = tuple(int(size) for size in sizes)
        self.background = background
        self.count_background = count_background
        self.ignore_index = ignore_index
        self.absent = absent
        self.confusion: np.ndarray | None = None
        self.table = ''
        self.num_images = 0

    @property
    def dataset_meta(self) -> dict[str, Any] | None:
        """Metainfo of the data set."""
        return self._dataset_meta

    @dataset_meta.setter
    def dataset_meta(self, dataset_meta: dict[str, Any]) -> None:
        classes = dataset_meta['classes']
        if len(classes) != sum(self.sizes):
            raise ConfigError(
                f'test_evaluator.sizes: {list(self.sizes)} are {sum(self.sizes)} channels, but the '
                f'data set has {len(classes)}: {", ".join(map(str, classes))}'
            )
        self._dataset_meta = dataset_meta

    def process(self, data_batch: dict[str, Any], data_samples: Sequence[dict[str, Any]]) -> None:
        """Counts the pixels of a batch.

        Args:
            data_batch: Not used.
            data_samples: Per image ``pred_sem_seg.data (1, H, W)`` and ``gt_sem_seg.data (1, H, W)``.

        Raises:
            ValueError: If a prediction and its label differ in size.
        """
        for sample in data_samples:
            prediction, label = (sample[key]['data'].squeeze(0) for key in ('pred_sem_seg', 'gt_sem_seg'))
            if prediction.shape != label.shape:
                raise ValueError(
                    f'{sample.get("img_path", "an image")}: prediction {tuple(prediction.shape)} '
                    f'and label {tuple(label.shape)} differ in size. Does the test pipeline '
                    f'change the image after LoadAnnotations?'
                )
            counts = confusion_matrix(prediction, label, sum(self.sizes), self.ignore_index).ravel()
            cells = np.flatnonzero(counts)
            self.results.append((cells.astype(np.int32), counts[cells]))

    def compute_metrics(self, results: list[tuple[np.ndarray, np.ndarray]]) -> dict[str, float]:
        """Adds up the images.

        Args:
            results: One sparse confusion matrix per image of the data set.

        Returns:
            Percent, as Python floats (numpy scalars in a checkpoint would force unsafe loading): ``mIoU``,
            ``mIoU_old``, ``mIoU_new``, ``hIoU``, ``mIoU_no_background``, ``mIoU_old_no_background``, ``aAcc``,
            ``mAcc``. What is not defined, like ``mIoU_new`` at step 0, is left out.
        """
        side = sum(self.sizes)
        flat = np.zeros(side * side, dtype=np.int64)
        for cells, counts in results:
            flat[cells] += counts
        confusion = self.confusion = flat.reshape(side, side)
        self.num_images = len(results)
        step = int(learned_at(self.sizes)[-1])
        scores = step_scores(confusion, self.sizes, step, self.background, self.absent)
        self.table = self._table(confusion, scores)
        print_log(f'\n{self.table}', MMLogger.get_current_instance())
        return {name: float(scores[key]) for key, name in NAMES.items() if not math.isnan(scores[key])}

    def _table(self, confusion: np.ndarray, scores: dict[str, float]) -> str:
        table = PrettyTable(['class', 'step', 'IoU', 'accuracy'])
        table.align['class'] = 'l'
        iou = 100 * iou_from_confusion(confusion, self.absent)
        accuracy = 100 * accuracy_from_confusion(confusion)[1]
        for row in zip(self._dataset_meta['classes'], learned_at(self.sizes), iou, accuracy, strict=True):
            table.add_row([*row[:2], *(_number(value) for value in row[2:])])
        lines = [
            f'{title:<20} old {_number(scores["old" + suffix])}  new {_number(scores["new"])}  '
            f'all {_number(scores["all" + suffix])}'
            for title, suffix in (('with background', ''), ('without background', '_no_background'))
        ]
        if self.background and not self.count_background:
            lines = lines[1:]
        if not self.background:
            lines = [lines[0].replace('with background', 'mean IoU       ')]
        return '\n'.join([table.get_string(), *lines, f'{self.num_images} images'])


def _number(value: float) -> str:
    return '    -' if math.isnan(value) else f'{value:5.2f}'
