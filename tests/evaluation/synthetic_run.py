"""Writes run folders as the runner does, without training anything."""

from __future__ import annotations

import itertools
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

VOC = (
    'aeroplane',
    'bicycle',
    'bird',
    'boat',
    'bottle',
    'bus',
    'car',
    'cat',
    'chair',
    'cow',
    'diningtable',
    'dog',
    'horse',
    'motorbike',
    'person',
    'pottedplant',
    'sheep',
    'sofa',
    'train',
    'tvmonitor',
)


def confusion_with_iou(iou: Sequence[float], pixels: int = 10000) -> np.ndarray:
    """Makes a confusion matrix ``(n, n)`` with IoU close to ``iou``: misses go to class 0."""
    iou = np.asarray(iou, dtype=float)
    confusion = np.diag(np.round(iou * pixels)).astype(np.int64)
    confusion[1:, 0] = pixels - np.diagonal(confusion)[1:]
    confusion[0, 0] = 5 * pixels
    return confusion


def write_run(
    path: Path,
    names: Sequence[str] = VOC,
    sizes: Sequence[int] = (16, 1, 1, 1, 1, 1),
    method: str = 'MiB',
    seed: int = 0,
    decay: float = 0.8,
    finished: int | None = None,
    setting: str = 'overlapped',
    protocol: str = '15-1',
    joint: bool = False,
    samples: int = 0,
    order: str | Sequence[str] | None = None,
    level: float = 0.8,
    model: str = 'ASPPHead + ResNetV1c-101',
    held_out: float = 0.0,
    later_lr: float = 0.001,
) -> Path:
    """Writes a run whose classes lose IoU by a factor ``decay`` per step.

    Args:
        path: The run folder.
        names: All foreground class names.
        sizes: Channels per step, counting the background.
        method: The method's name.
        seed: Also changes the IoU a little.
        decay: What is left of every class's IoU after a step.
        finished: How many steps are finished; all if None.
        setting: The setting.
        protocol: The protocol's name.
        joint: One step with everything, reported by ``sizes``.
        samples: How many sample images.
        order: The class order, as in a config.
        level: The IoU of a class when learned.
        model: The model's name.
        held_out: Share of the training images that was tested on.
        later_lr: Learning rate of later steps.
    """
    generator = np.random.default_rng(seed)
    steps = [sum(sizes)] if joint else list(np.cumsum(sizes))
    arrival = np.zeros(sum(sizes), int) if joint else np.repeat(np.arange(len(sizes)), sizes)
    first = np.clip(level + 0.15 * np.sin(np.arange(sum(sizes)) * 2.1) + generator.normal(0, 0.01, sum(sizes)), 0, 1)
    path.mkdir(parents=True, exist_ok=True)
    bounds = [0, *(np.cumsum(sizes) - 1)]
    run = {
        'experiment': {
            'protocol': {
                'name': protocol,
                'setting': setting,
                'class_names': list(names),
                'steps': [list(range(a + 1, b + 1)) for a, b in itertools.pairwise(bounds)],
                'domains': [],
                'joint': joint,
            },
            'method': {'name': method},
            'label_policy': 'plop',
            'global_batch': 24,
            'seed': seed,
            'images': [9568] * len(steps),
            'iterations': [1000] * len(steps),
            'split_hash': 'ab12',
            'steps': {'base': {'lr': 0.01}, 'later': {'lr': later_lr}},
            'model': {'type': model},
        },
        'protocol': protocol,
        'setting': setting,
        'held_out': held_out,
        'method': method,
        'model': model,
        'dataset': 'PascalVOCDataset',
        'seed': seed,
        'order': order,
        'num_steps': len(steps),
        'versions': {'mmciss': '0.1.0', 'torch': '2.13.0'},
        'machine': 'CPU, 1 threads',
        'world_size': 1,
        'config': 'configs/ciss/x.py',
    }
    (path / 'run.json').write_text(json.dumps(run))
    for index, seen in enumerate(steps[:finished]):
        iou = (first * decay ** (index - arrival))[:seen]
        result = {
            'step': index,
            'sizes': list(sizes if joint else sizes[: index + 1]),
            'classes': ['background', *names][:seen],
            'class_numbers': list(range(seen)),
            'background': True,
            'confusion': confusion_with_iou(iou).tolist(),
            'num_images': 1449,
            'train_images': 9568,
            'iterations': 1000,
            'seconds': 100.5,
            'label_policy': 'plop',
            'model': 'model.pth',
            'sha256': 'x',
        }
        folder = path / f'step_{index}'
        folder.mkdir()
        (folder / 'result.json').write_text(json.dumps(result))
        if samples:
            _write_samples(folder / 'samples.npz', samples, seen, sum(sizes))
    return path


def _write_samples(path: Path, count: int, seen: int, total: int, side: int = 48) -> None:
    generator = np.random.default_rng(5)
    images = generator.integers(60, 220, (count, side, side, 3)).astype(np.uint8)
    labels = np.zeros((count, side, side), np.uint8)
    for index in range(count):
        labels[index, 8:30, 8:30] = 1 + index
        labels[index, 20:34, 20:44] = total - 1 - index
    predictions = np.where(labels < seen, labels, 0).astype(np.uint8)
    for maps in (labels, predictions):
        maps[:, 36:] = 255
    images[:, 36:] = 0
    np.savez_compressed(path, images=images, labels=labels, predictions=predictions)
