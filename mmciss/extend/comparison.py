"""The old and the extended model on the same images: what was kept, what was learned, what changed."""
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from mmengine.config import Config
from mmseg.registry import DATASETS, MODELS
from torch import nn

from mmciss.models.labelers.teacher_labeler import UNLABELLED
from mmciss.models.previous import load_plain_checkpoint

NUM_PICTURES = 6
LONG_SIDE = 320


@dataclass
class Picture:
    """One image: RGB ``(H, W, 3)``, label and both predictions ``(H, W)``, and how much to show it."""

    image: np.ndarray
    label: np.ndarray
    before: np.ndarray
    after: np.ndarray
    weight: float = 0.0


@dataclass
class Comparison:
    """Counts over a data set, for ``K`` old and ``N`` new classes.

    Rows of ``before`` and ``after`` are true classes and, last, pixels that are labelled as none of the new classes.

    Attributes:
        before: Old model, ``(K + N + 1, K)``.
        after: Extended model, ``(K + N + 1, K + N)``.
        agreement: Old model's class (row) and extended model's class, where no new class is labelled, ``(K, K + N)``.
        num_images: Number of images.
        pictures: The images to show.
    """

    before: np.ndarray
    after: np.ndarray
    agreement: np.ndarray
    num_images: int = 0
    pictures: list[Picture] = field(default_factory=list)

    @classmethod
    def empty(cls, num_old: int, num_new: int) -> Comparison:
        """Returns zero counts."""
        rows = num_old + num_new + 1
        return cls(*(np.zeros(shape, dtype=np.int64) for shape in
                     ((rows, num_old), (rows, num_old + num_new), (num_old, num_old + num_new))))

    def add(self, label: np.ndarray, before: np.ndarray, after: np.ndarray) -> None:
        """Counts one image: label (channels, :data:`UNLABELLED` or 255) and predictions, all ``(H, W)``."""
        num_old, total = self.agreement.shape
        row = np.full(256, -1, dtype=np.int64)
        row[:total] = np.arange(total)
        row[UNLABELLED] = total
        rows = row[label]
        valid = rows >= 0
        for table, prediction in ((self.before, before), (self.after, after)):
            np.add.at(table, (rows[valid], prediction[valid]), 1)
        kept = valid & ~((rows >= num_old) & (rows < total))
        np.add.at(self.agreement, (before[kept], after[kept]), 1)
        self.num_images += 1

    def __add__(self, other: Comparison) -> Comparison:
        return Comparison(self.before + other.before, self.after + other.after, self.agreement + other.agreement,
                          self.num_images + other.num_images, self.pictures + other.pictures)


def load_plain(folder: Path, device: str) -> nn.Module:
    """Loads ``model.pth`` with ``model_config.py`` of a folder, ready to predict."""
    cfg = Config.fromfile(folder / 'model_config.py')
    model = MODELS.build(cfg.model)
    load_plain_checkpoint(model, folder / 'model.pth', key='model')
    return model.to(device).eval()


@torch.no_grad()
def compare(before: nn.Module, after: nn.Module, dataset: Any, num_old: int, num_new: int,
            limit: int | None = None) -> Comparison:
    """Predicts every image of a data set with both models.

    Args:
        before: The old model.
        after: The extended model.
        dataset: Samples of MMSegmentation with labels: channels, :data:`UNLABELLED` or 255.
        num_old: Number of old classes.
        num_new: Number of new classes.
        limit: At most this many images, evenly spread.
    """
    found = Comparison.empty(num_old, num_new)
    count = len(dataset)
    chosen = range(count) if limit is None or count <= limit else np.linspace(0, count - 1, limit).astype(int)
    for index in chosen:
        item = dataset[int(index)]
        data = {'inputs': [item['inputs']], 'data_samples': [item['data_samples']]}
        predictions = [_predict(model, data) for model in (before, after)]
        label = item['data_samples'].gt_sem_seg.data[0].cpu().numpy().astype(np.uint8)
        found.add(label, *predictions)
        _keep_picture(found.pictures, item, label, *predictions, num_old=num_old)
    return found


def _predict(model: nn.Module, data: dict) -> np.ndarray:
    copied = {'inputs': list(data['inputs']), 'data_samples': [sample.clone() for sample in data['data_samples']]}
    return model.test_step(copied)[0].pred_sem_seg.data[0].cpu().numpy().astype(np.uint8)


def _keep_picture(pictures: list[Picture], item: dict, label: np.ndarray, before: np.ndarray, after: np.ndarray,
                  num_old: int) -> None:
    """Keeps the images in which most changed or most of the new classes is labelled."""
    new = (label >= num_old) & (label < UNLABELLED)
    weight = float((before != after).mean() + new.mean())
    if len(pictures) == NUM_PICTURES and weight <= pictures[-1].weight:
        return
    scale = min(1.0, LONG_SIDE / max(label.shape))
    size = (max(1, round(label.shape[1] * scale)), max(1, round(label.shape[0] * scale)))
    image = np.ascontiguousarray(item['inputs'].permute(1, 2, 0).numpy()[..., ::-1])
    maps = [cv2.resize(item, size, interpolation=cv2.INTER_NEAREST) for item in (label, before, after)]
    pictures.append(Picture(cv2.resize(image, size, interpolation=cv2.INTER_AREA), *maps, weight=weight))
    pictures.sort(key=lambda picture: -picture.weight)
    del pictures[NUM_PICTURES:]


def pair_dataset(manifest: str, classes: Sequence[str], palette: Sequence, pipeline: list[dict]) -> Any:
    """Builds the listed pairs as a test set."""
    return DATASETS.build(dict(type='PairDataset', manifest=manifest, classes=list(classes),
                               palette=[list(colour) for colour in palette], pipeline=pipeline, test_mode=True))


def class_iou(table: np.ndarray) -> list[float | None]:
    """Returns the IoU in percent of every column's class, None where no pixel has it as its true class.

    A table with fewer columns than true classes is that of a model that does not know the others: their pixels are
    its mistakes, whatever it says. In the last row, of pixels that may be any old class, only a new class is wrong.

    Args:
        table: ``before`` or ``after`` of :class:`Comparison`.
    """
    columns, classes = table.shape[1], len(table) - 1
    found: list[float | None] = []
    for channel in range(columns):
        true = int(table[channel].sum())
        hit = int(table[channel, channel])
        claimed = int(table[:classes, channel].sum())
        found.append(None if not true else 100 * hit / (true + claimed - hit))
    return found


def new_class_iou(table: np.ndarray, num_old: int) -> list[float | None]:
    """Returns the IoU in percent of the new classes; on pixels labelled as no new class they are wrong.

    Args:
        table: ``after`` of :class:`Comparison`.
        num_old: Number of old classes.
    """
    found: list[float | None] = []
    for channel in range(num_old, table.shape[1]):
        true, hit, claimed = (int(item) for item in (table[channel].sum(), table[channel, channel],
                                                    table[:, channel].sum()))
        found.append(None if not true else 100 * hit / (true + claimed - hit))
    return found


def agreement_iou(table: np.ndarray) -> tuple[float | None, list[float | None]]:
    """Compares the models where no new class is labelled, the old one taken for the truth.

    Args:
        table: ``agreement`` of :class:`Comparison`.

    Returns:
        Share of pixels with the same class, and the IoU of every old class, None where the old model did not see it;
        percent.
    """
    total = int(table.sum())
    ious: list[float | None] = []
    for channel, row in enumerate(table):
        true, hit, claimed = int(row.sum()), int(row[channel]), int(table[:, channel].sum())
        ious.append(None if not true else 100 * hit / (true + claimed - hit))
    return (100 * int(np.trace(table)) / total if total else None), ious
