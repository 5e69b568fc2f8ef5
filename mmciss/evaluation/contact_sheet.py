"""The same images as segmented after each step, next to the ground truth."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from mmciss.evaluation.plots import FAINT, new_figure, style
from mmciss.evaluation.run_record import RunRecord

IGNORED = 255
LEGEND = 24
"""At most this many classes are named, those with most pixels in the first map and the last."""
GREY = 0.45
"""Brightness of the photograph where nothing is painted over it."""


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


def contact_sheet(samples: Sequence[Samples], result: Mapping[str, Any]) -> Figure:
    """Draws a row per image: the photograph, the ground truth, then the prediction of every step.

    All steps show the same images; ``result`` is the ``result.json`` of the last finished one.
    """
    last = samples[-1]
    rows = []
    for index, (image, label) in enumerate(zip(last.images, last.labels, strict=True)):
        height, width = content_size(last.predictions[index])
        maps = [label, *(item.predictions[index] for item in samples)]
        rows.append((image[:height, :width], [channels[:height, :width] for channels in maps]))
    titles = ('image', 'ground truth', *(f'step {item.step}' for item in samples))
    return picture_grid(rows, titles, result['classes'], palette_of(result), bool(result.get('background', True)))


def picture_grid(
    rows: Sequence[tuple[np.ndarray, Sequence[np.ndarray]]],
    titles: Sequence[str],
    names: Sequence[str],
    colors: np.ndarray,
    background: bool,
    width: float = 1.25,
) -> Figure:
    """Draws photographs and label maps side by side over one legend.

    Args:
        rows: Per image the photograph, RGB ``(H, W, 3)``, and maps of channels ``(H, W)``, uint8, 255 = ignored.
        titles: A title per column, that of the photographs first.
        names: The classes by channel.
        colors: RGB per channel ``(256, 3)``.
        background: Whether channel 0 is the background.
        width: Inches of a column.
    """
    heights = [width * image.shape[0] / image.shape[1] for image, _ in rows]
    handles = _legend([maps[index] for _, maps in rows for index in (0, -1)], names, colors, background)
    per_row = max(3, int(len(titles) * width / 1.2))
    legend_height = 0.22 * -(-len(handles) // per_row) + 0.12
    figure = new_figure((width + 0.05) * len(titles), sum(heights) + 0.06 * len(heights) + 0.3 + legend_height)
    with style():
        grid = figure.subplots(len(rows), len(titles), squeeze=False, height_ratios=heights)
        figure.set_layout_engine('constrained', w_pad=0.02, h_pad=0.02, wspace=0.0, hspace=0.0)
        for (image, maps), line in zip(rows, grid, strict=True):
            pictures = [image, *(colorize(channels, image, colors, background) for channels in maps)]
            for axes, picture in zip(line, pictures, strict=True):
                axes.imshow(picture, interpolation='nearest', aspect='auto')
                axes.set_xticks([])
                axes.set_yticks([])
                axes.spines[:].set_visible(False)
        for axes, title in zip(grid[0], titles, strict=True):
            axes.set_title(title, fontsize=9, loc='center', pad=4)
        sizes: dict[str, Any] = dict(fontsize=8, handlelength=1.2, handleheight=1.0, columnspacing=1.2)
        figure.legend(handles=handles, loc='outside lower center', ncols=per_row, **sizes)
    return figure


def _legend(maps: Sequence[np.ndarray], names: Sequence[str], colors: np.ndarray, background: bool) -> list[Patch]:
    """Names the classes with most pixels in order of arrival, then background and ignored pixels."""
    pixels = np.sum([np.bincount(channels.ravel(), minlength=256) for channels in maps], axis=0)
    classes = pixels[: len(names)].copy()
    classes[0] *= not background
    chosen = sorted(channel for channel in np.argsort(classes, kind='stable')[::-1][:LEGEND] if classes[channel])
    shown = [(colors[channel] / 255, names[channel]) for channel in chosen]
    if background and pixels[0]:
        shown.append(((GREY / 2,) * 3, names[0]))
    if pixels[IGNORED]:
        shown.append(((1.0, 1.0, 1.0), 'ignored'))
    return [Patch(facecolor=color, edgecolor=FAINT, linewidth=0.5, label=name) for color, name in shown]


def default_palette(count: int) -> np.ndarray:
    """Returns the colours of Pascal VOC ``(count, 3)``, uint8: the bits of the class number over red, green and blue.

    Examples:
        >>> default_palette(3).tolist()
        [[0, 0, 0], [128, 0, 0], [0, 128, 0]]
    """
    numbers = np.arange(count)
    colors = np.zeros((count, 3), dtype=np.uint8)
    for bit in range(8):
        for channel in range(3):
            colors[:, channel] |= (((numbers >> (3 * bit + channel)) & 1) << (7 - bit)).astype(np.uint8)
    return colors


def palette_of(result: Mapping[str, Any]) -> np.ndarray:
    """Returns 256 colours ``(256, 3)``: those of the result, then those of Pascal VOC.

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
    grey = photograph.astype(np.float32).mean(-1, keepdims=True).repeat(3, -1)
    out = (1 - strength) * grey + strength * colors[channels].astype(np.float32)
    if background:
        out = np.where((channels == 0)[..., None], GREY * grey, out)
    out[channels == IGNORED] = 255
    return out.round().astype(np.uint8)


def content_size(prediction: np.ndarray) -> tuple[int, int]:
    """Returns height and width of the part that is not padding at the bottom and at the right."""
    rows, columns = np.nonzero(prediction != IGNORED)
    return (rows.max() + 1, columns.max() + 1) if len(rows) else prediction.shape
