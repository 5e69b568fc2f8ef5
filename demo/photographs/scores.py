"""Every model on the same photographs, with MMSegmentation's own inference."""

from __future__ import annotations

import json
import time
from pathlib import Path

import cv2
import numpy as np
from mmseg.apis import inference_model, init_model


def confusion(config: Path, checkpoint: Path, data: Path, num_classes: int) -> np.ndarray:
    """Counts pixels by true class (row) and predicted class, 255 left out.

    Args:
        config: A plain config.
        checkpoint: Its weights.
        data: Folder with ``images/`` and ``masks/``.
        num_classes: Classes of the masks; the model may know fewer.
    """
    model = init_model(str(config), str(checkpoint), device='cpu')
    counts = np.zeros((num_classes, num_classes), np.int64)
    for path in sorted((data / 'masks').glob('*.png')):
        label = cv2.imread(str(path), cv2.IMREAD_UNCHANGED).astype(np.int64)
        found = inference_model(model, str(data / 'images' / f'{path.stem}.jpg'))
        predicted = found.pred_sem_seg.data[0].numpy().astype(np.int64)
        known = label < num_classes
        counts += np.bincount(label[known] * num_classes + predicted[known], minlength=num_classes**2).reshape(
            counts.shape
        )
    return counts


def count(path: Path, config: Path, checkpoint: Path, data: Path, num_classes: int) -> None:
    """Writes the confusion of a model into ``path``, unless it is there."""
    if path.is_file():
        return
    start = time.perf_counter()
    counts = confusion(config, checkpoint, data, num_classes)
    path.write_text(json.dumps(dict(confusion=counts.tolist(), seconds=time.perf_counter() - start)), encoding='utf-8')


def iou(*paths: Path) -> list[float]:
    """Returns the IoU of every class in percent, of all photographs of some files of :func:`count`."""
    counts = np.sum([json.loads(path.read_text(encoding='utf-8'))['confusion'] for path in paths], 0)
    hit = np.diag(counts)
    return (100 * hit / np.maximum(1, counts.sum(0) + counts.sum(1) - hit)).tolist()
