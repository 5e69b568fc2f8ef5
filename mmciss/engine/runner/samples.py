"""A few test images as segmented after each step, for the report's contact sheet."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import torch
from mmengine.runner import Runner
from torch import Tensor

from mmciss.engine.hooks.teacher_hook import unwrap
from mmciss.protocols.labels import IGNORE, UNKNOWN
from mmciss.utils.files import write_atomically

if TYPE_CHECKING:
    from mmciss.datasets.incremental_dataset import IncrementalDataset
    from mmciss.engine.runner.experiment import Experiment

NUM_SAMPLES = 6
LONG_SIDE = 256


def choose_samples(presence: np.ndarray, count: int = NUM_SAMPLES, base: int | None = None) -> list[int]:
    """Chooses images that together show as many classes as possible, the same ones at every step.

    A class of a later step outweighs all of the base step. The first image has most classes. Of those that show at
    least half as many classes not shown yet as the best, the next one is farthest from the images chosen already:
    neighbours in a data set are often frames of one video.

    Args:
        presence: Boolean ``(images, classes)`` of foreground classes, in the order of arrival.
        count: How many images.
        base: How many of the classes belong to the base step; None for all.

    Returns:
        Positions of the images.
    """
    places = np.arange(len(presence))
    distance = np.full(len(presence), len(presence))
    chosen: list[int] = []
    classes = presence.shape[1]
    weight = np.where(np.arange(classes) < (classes if base is None else base), 1, classes)
    shown = np.zeros(classes, dtype=bool)
    for _ in range(min(count, len(presence))):
        gain = (presence & ~shown) @ weight
        gain[chosen] = -1
        candidates = np.flatnonzero((2 * gain >= gain.max()) & (gain >= 0)) if chosen else places
        keys = (-candidates, presence[candidates] @ weight, gain[candidates], distance[candidates])
        best = int(candidates[np.lexsort(keys)[-1]])
        chosen.append(best)
        distance = np.minimum(distance, np.abs(places - best))
        shown |= presence[best]
        if shown[presence.any(0)].all():
            shown[:] = False
    return chosen


def thumbnail(image: np.ndarray, nearest: bool) -> np.ndarray:
    """Fits an image or label map into a black or ignored square of :data:`LONG_SIDE`."""
    scale = LONG_SIDE / max(image.shape[:2])
    size = (max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale)))
    small = cv2.resize(image, size, interpolation=cv2.INTER_NEAREST if nearest else cv2.INTER_AREA)
    canvas = np.full((LONG_SIDE, LONG_SIDE, *image.shape[2:]), 255 if nearest else 0, np.uint8)
    canvas[: small.shape[0], : small.shape[1]] = small
    return canvas


def as_rgb(inputs: Tensor) -> np.ndarray:
    """Converts the image of a sample, of any type and number of channels, to an RGB picture.

    Args:
        inputs: ``(C, H, W)`` of any type: BGR as MMSegmentation loads it, with further channels, or grey.

    Returns:
        RGB ``(H, W, 3)``, uint8; images with values above 255 are scaled by their largest value.
    """
    inputs = inputs.float()
    picture = inputs[:3] if len(inputs) >= 3 else inputs[:1].expand(3, -1, -1)
    values = picture.flip(0).permute(1, 2, 0).numpy()
    return np.clip(values * (255 / max(255.0, float(values.max()))), 0, 255).astype(np.uint8)


def thumbnails(inputs: Tensor, *maps: Tensor) -> list[np.ndarray]:
    """Returns the picture of a sample and its maps of channels ``(H, W)``, which the picture is resized to."""
    channels = [item.cpu().numpy().astype(np.uint8) for item in maps]
    picture = cv2.resize(as_rgb(inputs), channels[0].shape[::-1])
    return [thumbnail(picture, nearest=False), *(thumbnail(item, nearest=True) for item in channels)]


def sample_positions(experiment: Experiment) -> list[int]:
    """Returns the positions of the sample images in the test data of the last step."""
    protocol = experiment.protocol
    dataset: IncrementalDataset = experiment.dataset(len(protocol) - 1, 'test')
    matrix = dataset.presence.matrix[dataset.indices][:, list(protocol[-1].seen)]
    return choose_samples(matrix, base=len(protocol[0].seen))


def shows_other_images(path: Path, experiment: Experiment) -> bool:
    """Returns whether a file of samples shows others than those of an experiment; older versions chose otherwise."""
    try:
        with np.load(path, allow_pickle=False) as file:
            return 'positions' not in file or file['positions'].tolist() != sample_positions(experiment)
    except (OSError, ValueError, EOFError, zipfile.BadZipFile):
        return False  # there is none, or it is damaged; the report does without


@torch.no_grad()
def save_samples(runner: Runner, experiment: Experiment, path: Path) -> None:
    """Segments the chosen images with the model of the step and saves images, labels and predictions.

    The labels are those of the last step, to show what the model cannot know yet.

    Args:
        runner: The runner of the step.
        experiment: The experiment.
        path: Where the ``.npz`` goes: ``images (M, S, S, 3)`` RGB, ``labels`` and ``predictions (M, S, S)`` channels,
            and ``positions (M)`` of the images in the test data.
    """
    dataset: IncrementalDataset = experiment.dataset(len(experiment.protocol) - 1, 'test')
    positions = sample_positions(experiment)
    model = unwrap(runner.model)
    model.eval()
    rows = []
    for position in positions:
        item = dataset[position]
        sample = model.test_step({'inputs': [item['inputs']], 'data_samples': [item['data_samples']]})[0]
        rows.append(thumbnails(item['inputs'], sample.gt_sem_seg.data[0], sample.pred_sem_seg.data[0]))
    images, labels, predictions = (np.stack(column) for column in zip(*rows, strict=True))
    write_samples(path, images, labels, predictions, np.array(positions))


class MostChanged:
    """The sample images of an extension: those with the most changes, or the most labels of new classes."""

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


def write_samples(
    path: Path, images: np.ndarray, labels: np.ndarray, predictions: np.ndarray, positions: np.ndarray | None = None
) -> None:
    """Writes images ``(M, S, S, 3)`` RGB with labels and predictions ``(M, S, S)``, channels or 255."""
    arrays: dict[str, Any] = dict(images=images, labels=labels, predictions=predictions)
    if positions is not None:
        arrays['positions'] = positions

    def write(temporary: Path) -> None:
        with open(temporary, 'wb') as file:
            np.savez_compressed(file, **arrays)

    write_atomically(path, write)
