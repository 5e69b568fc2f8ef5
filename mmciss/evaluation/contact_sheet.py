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
from mmciss.utils.palettes import voc_palette

IGNORED = 255
LEGEND = 24
"""At most this many classes are named, those with most pixels in the first map and the last."""
GAP = 0.25
"""Inches between images that stand beside each other."""
LETTER = 0.07
"""Inches that a letter of the legend or of a caption takes at most, on the average."""
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
    across: int = 1,
    captions: Sequence[str] = (),
) -> Figure:
    """Draws photographs and label maps side by side over one legend.

    Args:
        rows: Per image the photograph, RGB ``(H, W, 3)``, and maps of channels ``(H, W)``, uint8, 255 = ignored.
        titles: A title per column, that of the photographs first.
        names: The classes by channel.
        colors: RGB per channel ``(256, 3)``.
        background: Whether channel 0 is the background.
        width: Inches of a column.
        across: So many of the images beside each other.
        captions: What stands under each image; nothing if there are none.
    """
    handles = _legend([maps[index] for _, maps in rows for index in (0, -1)], names, colors, background)
    total = (width + 0.05) * len(titles) * across + GAP * (across - 1)
    for handle in handles:
        handle.set_label(_shortened(str(handle.get_label()), int((total - 0.4) / LETTER)))
    entry = max(1.2, 0.4 + LETTER * max((len(str(handle.get_label())) for handle in handles), default=0))
    per_row = max(1, int(total / entry))
    legend_height = 0.22 * -(-len(handles) // per_row) + 0.12
    lines = [range(len(rows))[start : start + across] for start in range(0, len(rows), across)]
    heights = [max(width * rows[index][0].shape[0] / rows[index][0].shape[1] for index in line) for line in lines]
    between = 0.06 + (0.2 if captions else 0.0)
    figure = new_figure(total, sum(heights) + between * len(heights) + 0.3 + legend_height)
    widths = [*([width] * len(titles) + [GAP]) * across][:-1]
    with style():
        grid = figure.subplots(len(lines), len(widths), squeeze=False, height_ratios=heights, width_ratios=widths)
        figure.set_layout_engine('constrained', w_pad=0.02, h_pad=0.02, wspace=0.0, hspace=0.0)
        for axes in grid.flat:
            axes.set_xticks([])
            axes.set_yticks([])
            axes.spines[:].set_visible(False)
        for index, (image, maps) in enumerate(rows):
            first = index % across * (len(titles) + 1)
            cells = grid[index // across, first : first + len(titles)]
            pictures = [image, *(colorize(channels, image, colors, background) for channels in maps)]
            for axes, picture in zip(cells, pictures, strict=True):
                axes.imshow(picture, interpolation='nearest', aspect='auto' if across == 1 else 'equal')
                axes.set_anchor('N')
            if captions:
                most = int(width * len(titles) / LETTER)
                cells[0].set_xlabel(_shortened(captions[index], most), fontsize=8, loc='left', labelpad=3)
            if index < across:
                for axes, title in zip(cells, titles, strict=True):
                    axes.set_title(title, fontsize=9, loc='center', pad=4)
        sizes: dict[str, Any] = dict(fontsize=8, handlelength=1.2, handleheight=1.0, columnspacing=1.2)
        figure.legend(handles=handles, loc='outside lower center', ncols=per_row, **sizes)
    return figure


def _shortened(text: str, most: int) -> str:
    """Cuts the beginning of a text of more than so many letters: names of files differ at their ends."""
    return text if len(text) <= most else f'…{text[1 - most :]}'


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


def palette_of(result: Mapping[str, Any]) -> np.ndarray:
    """Returns 256 colours ``(256, 3)``: those of the result, then those of Pascal VOC.

    A run that is not finished meets such channels in its ground truth.
    """
    palette = result.get('palette') or []
    return np.array([*palette, *voc_palette()[len(palette) :]], dtype=np.uint8)


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
