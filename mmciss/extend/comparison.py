"""The old and the extended model on the same images: what was kept, what was learned, what changed."""

from __future__ import annotations

from collections.abc import Collection, Sequence
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
from mmciss.protocols.step import Step

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
    """Counts over a test set, for ``K`` old and ``N`` new classes.

    Rows of ``before`` and ``after`` are the labels: classes and, last, pixels labelled as none of those that the
    test set labels.

    Attributes:
        before: Old model, ``(K + N + 1, K)``.
        after: Extended model, ``(K + N + 1, K + N)``.
        agreement: Old model's class (row) and extended model's class, where no new class is labelled and the labels
            can tell whether the extended model is right to see a new one, ``(K, K + N)``.
        labelled: The classes that the test set labels; of others its labels say nothing.
        background: Whether class 0 is the background: 'none of the classes that are labelled'.
        num_images: Number of images.
        pictures: The images to show.
    """

    before: np.ndarray
    after: np.ndarray
    agreement: np.ndarray
    labelled: frozenset[int]
    background: bool
    num_images: int = 0
    pictures: list[Picture] = field(default_factory=list)

    @classmethod
    def empty(cls, num_old: int, num_new: int, labelled: Collection[int], background: bool) -> Comparison:
        """Returns zero counts."""
        rows = num_old + num_new + 1
        shapes = ((rows, num_old), (rows, num_old + num_new), (num_old, num_old + num_new))
        return cls(*(np.zeros(shape, dtype=np.int64) for shape in shapes), frozenset(labelled), background)

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
        new_label = (rows >= num_old) & (rows < total)
        open_label = (rows == total) | ((rows == 0) & self.background)
        untold = open_label & np.isin(after, sorted(set(range(num_old, total)) - self.labelled))
        kept = valid & ~new_label & ~untold
        np.add.at(self.agreement, (before[kept], after[kept]), 1)
        self.num_images += 1


def load_plain(folder: Path, device: str) -> nn.Module:
    """Loads ``model.pth`` with ``model_config.py`` of a folder, ready to predict."""
    cfg = Config.fromfile(folder / 'model_config.py')
    model = MODELS.build(cfg.model)
    load_plain_checkpoint(model, folder / 'model.pth', key='model')
    return model.to(device).eval()


@torch.no_grad()
def compare(
    before: nn.Module, after: nn.Module, dataset: Any, step: Step, labelled: Collection[int], limit: int | None = None
) -> Comparison:
    """Predicts every image of a data set with both models.

    Args:
        before: The old model.
        after: The extended model.
        dataset: Samples of MMSegmentation with labels: channels, :data:`UNLABELLED` or 255.
        step: Old and new classes.
        labelled: The classes that the data set labels.
        limit: At most this many images, evenly spread.
    """
    found = Comparison.empty(step.num_old, step.num_new, labelled, step.background)
    count = len(dataset)
    chosen = range(count) if limit is None or count <= limit else np.linspace(0, count - 1, limit).astype(int)
    for index in chosen:
        item = dataset[int(index)]
        data = {'inputs': [item['inputs']], 'data_samples': [item['data_samples']]}
        predictions = [_predict(model, data) for model in (before, after)]
        label = item['data_samples'].gt_sem_seg.data[0].cpu().numpy().astype(np.uint8)
        found.add(label, *predictions)
        _keep_picture(found.pictures, item, label, *predictions, num_old=step.num_old)
    return found


def _predict(model: nn.Module, data: dict) -> np.ndarray:
    copied = {'inputs': list(data['inputs']), 'data_samples': [sample.clone() for sample in data['data_samples']]}
    return model.test_step(copied)[0].pred_sem_seg.data[0].cpu().numpy().astype(np.uint8)


def _keep_picture(
    pictures: list[Picture], item: dict, label: np.ndarray, before: np.ndarray, after: np.ndarray, num_old: int
) -> None:
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
    return DATASETS.build(
        dict(
            type='PairDataset',
            manifest=manifest,
            classes=list(classes),
            palette=[list(colour) for colour in palette],
            pipeline=pipeline,
            test_mode=True,
        )
    )
