"""Compares the predictions of the old and the extended model on the same test images."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.config import Config
from mmseg.registry import MODELS
from torch import Tensor, nn

from mmciss.engine.runner.samples import NUM_SAMPLES, thumbnails, write_samples
from mmciss.evaluation.confusion import confusion_matrix
from mmciss.evaluation.partial_labels import PartialConfusion
from mmciss.models.previous import load_plain_checkpoint
from mmciss.protocols.labels import IGNORE, UNKNOWN
from mmciss.protocols.step import Step


class Comparison:
    """Counts over a test set, for ``K`` old and ``N`` new classes; at first all are 0.

    Args:
        step: The step that learned the new classes.
        labelled: The classes that the test set labels.

    Attributes:
        before: Those of the old model, ``(K + N + 1, K)``.
        after: Those of the extended model, ``(K + N + 1, K + N)``.
        agreement: Old model's class (row) and extended model's class, ``(K, K + N)``, on pixels without a label of a
            new class. Pixels where the labels cannot tell whether a predicted new class is right are left out.
        num_images: Number of images.
    """

    def __init__(self, step: Step, labelled: Collection[int]) -> None:
        self.before, self.after = (
            PartialConfusion(np.zeros((step.num_seen + 1, columns), dtype=np.int64), labelled, step.background)
            for columns in (step.num_old, step.num_seen)
        )
        self.agreement = np.zeros((step.num_old, step.num_seen), dtype=np.int64)
        self.num_images = 0

    def add(self, label: Tensor, before: Tensor, after: Tensor) -> None:
        """Counts one image: label (channels, :data:`UNKNOWN` or 255) and predictions, all ``(H, W)`` integers."""
        num_old, total = self.agreement.shape
        label = label.to(torch.int64).masked_fill(label == UNKNOWN, total)
        self.before.add(before, label)
        self.after.add(after, label)
        left_open = (label == total) | ((label == 0) & self.after.background)
        unjudged = torch.tensor([new for new in self.after.unlabelled if new >= num_old], device=after.device)
        says_nothing = ((label >= num_old) & (label != total)) | (left_open & torch.isin(after, unjudged))
        self.agreement += confusion_matrix(after, before.masked_fill(says_nothing, IGNORE), total)[:num_old]
        self.num_images += 1


class Pictures:
    """The test images with the most changes, or the most labels of new classes: their scores and thumbnails."""

    def __init__(self) -> None:
        self.items: list[tuple[float, list[np.ndarray]]] = []

    def add(self, image: Tensor, label: Tensor, before: Tensor, after: Tensor, num_old: int) -> None:
        """Keeps an image ``(C, H, W)`` with its maps ``(H, W)`` if its score is high enough."""
        new = (label >= num_old) & (label < UNKNOWN)
        score = float((before != after).float().mean() + new.float().mean())
        if len(self.items) < NUM_SAMPLES or score > self.items[-1][0]:
            label = label.masked_fill(label == UNKNOWN, IGNORE)
            self.items.append((score, thumbnails(image, label, before, after)))
            self.items = sorted(self.items, key=lambda item: -item[0])[:NUM_SAMPLES]

    def write(self, folders: Sequence[Path]) -> None:
        """Writes ``samples.npz`` of both steps into their folders."""
        images, labels, *predictions = map(np.stack, zip(*(maps for _, maps in self.items), strict=True))
        for folder, found in zip(folders, predictions, strict=True):
            write_samples(folder / 'samples.npz', images, labels, found)


def load_plain(folder: Path, device: str) -> nn.Module:
    """Loads ``model.pth`` with the ``model_config.py`` of its folder, ready to predict."""
    model = MODELS.build(Config.fromfile(folder / 'model_config.py').model)
    load_plain_checkpoint(model, folder / 'model.pth', key='model')
    return model.to(device).eval()


@torch.no_grad()
def compare(before: nn.Module, after: nn.Module, dataset: Any, found: Comparison, pictures: Pictures) -> None:
    """Runs both models on every image of a data set, counts what they say, and keeps the most interesting pictures.

    The data set gives samples of MMSegmentation; their labels are channels, :data:`UNKNOWN` or 255.
    """
    for index in range(len(dataset)):
        item = dataset[index]
        old, new = _predict(before, item), _predict(after, item)
        label = item['data_samples'].gt_sem_seg.data[0].to(old.device)
        found.add(label, old, new)
        pictures.add(item['inputs'], label, old, new, len(found.agreement))


def _predict(model: Any, item: dict[str, Any]) -> Tensor:
    # Models write into the samples that they get.
    data = {'inputs': [item['inputs']], 'data_samples': [item['data_samples'].clone()]}
    return model.test_step(data)[0].pred_sem_seg.data[0]
