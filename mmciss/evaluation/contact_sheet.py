"""The same images as segmented after each step, beside the ground truth."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from mmciss.evaluation.figure_style import FAINT, default_palette, new_figure, style
from mmciss.evaluation.run_record import RunRecord

IGNORED = 255
LEGEND = 16
"""At most this many classes are named, the ones with most pixels."""


@dataclass(frozen=True)
class Samples:
    """The sample images of one step.

    Attributes:
        step: The step.
        images: RGB ``(M, H, W, 3)``, uint8.
        labels: True channels ``(M, H, W)``, uint8, 255 = ignored or padding.
        predictions: Predicted channels ``(M, H, W)``, uint8, 255 = padding.
    """

    step: int
    images: np.ndarray
    labels: np.ndarray
    predictions: np.ndarray


def read_samples(record: RunRecord) -> list[Samples]:
    """Reads ``samples.npz`` of every finished step.

    Steps with a damaged file or with other images than the last step are left out.
    """
    found: list[Samples] = []
    for step, result in enumerate(record.results):
        path = record.path / f'step_{step}' / 'samples.npz'
        if result is None or not path.is_file():
            continue
        try:
            with np.load(path, allow_pickle=False) as file:
                found.append(Samples(step, file['images'], file['labels'], file['predictions']))
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
            continue  # A run that was cut off may leave a damaged file; do without that step.
    return [samples for samples in found if np.array_equal(samples.images, found[-1].images)]


def contact_sheet(samples: list[Samples], result: Mapping[str, Any]) -> Figure:
    """Draws a row per image: the photograph, the ground truth, then the prediction of every step.

    Args:
        samples: At least one step; all of the same images.
        result: The last finished step's ``result.json``: ``classes`` and, if any, ``palette``.
    """
    last = samples[-1]
    colors, background = palette_of(result), bool(result.get('background', True))
    columns = [
        ('image', None),
        ('ground truth', last.labels),
        *((f'step {item.step}', item.predictions) for item in samples),
    ]
    boxes = [_content(prediction) for prediction in last.predictions]
    heights = [1.25 * box[0] / box[1] for box in boxes]
    shown = _legend_classes(last, len(result['classes']), background)
    per_row = max(3, int(len(columns) * 1.25 / 1.2))
    legend_height = 0.22 * -(-len(shown) // per_row) + 0.12
    figure = new_figure(1.3 * len(columns), sum(heights) + 0.06 * len(heights) + 0.3 + legend_height)
    with style():
        grid = figure.subplots(len(boxes), len(columns), squeeze=False, height_ratios=heights)
        figure.get_layout_engine().set(w_pad=0.02, h_pad=0.02, wspace=0.0, hspace=0.0)
        for row, (height, width) in enumerate(boxes):
            photograph = last.images[row, :height, :width]
            for axes, (title, maps) in zip(grid[row], columns):
                axes.imshow(
                    photograph
                    if maps is None
                    else colorize(maps[row, :height, :width], photograph, colors, background),
                    interpolation='nearest',
                    aspect='auto',
                )
                axes.set_xticks([])
                axes.set_yticks([])
                axes.spines[:].set_visible(False)
                if row == 0:
                    axes.set_title(title, fontsize=9, loc='center', pad=4)
        handles = [
            Patch(facecolor=colors[channel] / 255, edgecolor=FAINT, linewidth=0.5, label=result['classes'][channel])
            for channel in shown
        ]
        if handles:
            figure.legend(
                handles=handles,
                loc='outside lower center',
                ncols=per_row,
                fontsize=8,
                handlelength=1.2,
                handleheight=1.0,
                columnspacing=1.2,
            )
    return figure


def palette_of(result: Mapping[str, Any]) -> np.ndarray:
    """Gives 256 colours ``(256, 3)``: those of the result, then those of Pascal VOC.

    A run that is not finished meets such channels in its ground truth.
    """
    palette = np.asarray(result.get('palette') or [], dtype=np.uint8).reshape(-1, 3)
    return np.concatenate([palette, default_palette(256)[len(palette) :]])


def colorize(
    channels: np.ndarray, photograph: np.ndarray, colors: np.ndarray, background: bool = True, strength: float = 0.8
) -> np.ndarray:
    """Paints classes over a dimmed grey photograph.

    Args:
        channels: ``(H, W)``; 255 becomes white.
        photograph: RGB ``(H, W, 3)``.
        colors: RGB per channel ``(256, 3)``.
        background: Whether channel 0 is the background, which stays grey.
        strength: How much of the colour covers the photograph, 0 to 1.

    Returns:
        RGB ``(H, W, 3)``, uint8.
    """
    grey = 0.45 * photograph.astype(np.float32).mean(-1, keepdims=True).repeat(3, -1)
    painted = (1 - strength) * grey / 0.45 + strength * colors[channels].astype(np.float32)
    out = np.where((channels == 0)[..., None], grey, painted) if background else painted
    out[channels == IGNORED] = 255
    return out.round().astype(np.uint8)


def _content(prediction: np.ndarray) -> tuple[int, int]:
    """Gives height and width of the part that is not padding at the bottom and at the right."""
    inside = prediction != IGNORED
    if not inside.any():
        return prediction.shape[0], prediction.shape[1]
    return int(np.flatnonzero(inside.any(1))[-1]) + 1, int(np.flatnonzero(inside.any(0))[-1]) + 1


def _legend_classes(samples: Samples, count: int, background: bool) -> list[int]:
    """Gives the foreground channels with most pixels in the maps, in order of arrival."""
    maps = np.concatenate([samples.labels.ravel(), samples.predictions.ravel()])
    pixels = np.bincount(maps, minlength=256)[:count]
    pixels[0] *= not background
    chosen = np.argsort(pixels, kind='stable')[::-1][:LEGEND]
    return sorted(int(channel) for channel in chosen if pixels[channel] > 0)
