"""Figures of an extension: classes before and after, confusion, pictures of what changed."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from mmciss.evaluation.contact_sheet import colorize, palette_of
from mmciss.evaluation.plots import ALL, FAINT, NEW, OLD, new_figure, style
from mmciss.extend.comparison import Picture
from mmciss.models.labelers.teacher_labeler import UNLABELLED
from mmciss.protocols.labels import IGNORE

MOST_CLASSES = 40
"""Figures by class show at most this many, those with most pixels."""


def plot_classes(
    names: Sequence[str], before: Sequence[float | None], after: Sequence[float | None], num_old: int, title: str
) -> Figure:
    """Draws a bar before and after per class.

    Args:
        names: Names of all classes.
        before: Percent per old class.
        after: Percent per class.
        num_old: Number of old classes.
        title: What the percentages are.
    """
    shown = [index for index in range(len(names)) if after[index] is not None][:MOST_CLASSES]
    figure = new_figure(5.6, 0.7 + 0.3 * max(1, len(shown)))
    with style():
        axes = figure.subplots()
        for row, index in enumerate(shown):
            old = before[index] if index < num_old else None
            place = row if old is None else row + 0.18
            if old is not None:
                axes.barh(row - 0.18, old, 0.34, color=FAINT)
            axes.barh(place, after[index], 0.34, color=NEW if index >= num_old else OLD)
            axes.text(after[index] + 1, place, f'{after[index]:.1f}', va='center', fontsize=7)
        axes.set_yticks(range(len(shown)), [names[index] for index in shown])
        axes.invert_yaxis()
        axes.set_xlim(0, 108)
        axes.set_xlabel(title)
        kinds = [('old model', FAINT), ('extended, old class', OLD), ('extended, new class', NEW)]
        axes.legend(
            handles=[Patch(color=color, label=label) for label, color in kinds],
            fontsize=7,
            loc='lower center',
            bbox_to_anchor=(0.5, 1.0),
            ncols=3,
        )
    return figure


def plot_confusion(table: np.ndarray, names: Sequence[str], num_old: int) -> Figure:
    """Draws the share of each true class that is given to each class, old and new parted by a line.

    Args:
        table: ``after`` of :class:`mmciss.extend.comparison.Comparison`.
        names: Names of all classes.
        num_old: Number of old classes.
    """
    totals = table.sum(1)
    labels = [*names, 'not labelled']
    rows = [index for index in np.argsort(-totals)[:MOST_CLASSES] if totals[index]]
    # New classes and the pixels that are none of them are what the figure is about.
    rows = sorted({*rows, *(index for index in range(num_old, len(labels)) if totals[index])})
    columns = sorted({*(index for index in rows if index < len(names)), *range(num_old, len(names))})
    share = 100 * table[np.ix_(rows, columns)] / np.maximum(1, totals[rows])[:, None]
    figure = new_figure(1.8 + 0.36 * len(columns), 1.2 + 0.32 * len(rows))
    with style():
        axes = figure.subplots()
        axes.imshow(share, vmin=0, vmax=100, cmap='Blues', aspect='auto')
        axes.set_xticks(range(len(columns)), [names[index] for index in columns], rotation=60, ha='right', fontsize=7)
        axes.set_yticks(range(len(rows)), [labels[index] for index in rows], fontsize=7)
        for row, values in enumerate(share):
            for column, value in enumerate(values):
                if value >= 0.5:
                    axes.text(
                        column,
                        row,
                        f'{value:.0f}',
                        ha='center',
                        va='center',
                        fontsize=6,
                        color='white' if value > 60 else ALL,
                    )
        axes.axvline(sum(index < num_old for index in columns) - 0.5, color=NEW, linewidth=1)
        axes.set_xlabel('the extended model says')
        axes.set_ylabel('true class')
    return figure


def plot_changes(pictures: Sequence[Picture], names: Sequence[str], palette: Sequence, background: bool) -> Figure:
    """Draws a row per image: image, labels, old model, extended model, what changed.

    Args:
        pictures: The images, at least one.
        names: Names of all classes.
        palette: Colours of all classes.
        background: Whether class 0 is the background.
    """
    colors = palette_of({'palette': palette})
    titles = ('image', 'labels', 'old model', 'extended model', 'changed')
    heights = [1.5 * picture.label.shape[0] / picture.label.shape[1] for picture in pictures]
    figure = new_figure(1.55 * len(titles), sum(heights) + 0.1 * len(heights) + 0.9)
    shown: set[int] = set()
    with style():
        grid = figure.subplots(len(pictures), len(titles), squeeze=False, height_ratios=heights)
        for row, picture in enumerate(pictures):
            label = np.where(picture.label == UNLABELLED, IGNORE, picture.label).astype(np.uint8)
            changed = np.where(picture.before != picture.after, picture.after, IGNORE).astype(np.uint8)
            maps = [None, label, picture.before, picture.after, changed]
            shown |= set(np.unique(np.stack([label, picture.before, picture.after])).tolist()) - {IGNORE}
            for axes, title, item in zip(grid[row], titles, maps):
                axes.imshow(
                    picture.image if item is None else colorize(item, picture.image, colors, background),
                    interpolation='nearest',
                    aspect='auto',
                )
                axes.set_xticks([])
                axes.set_yticks([])
                axes.spines[:].set_visible(False)
                if row == 0:
                    axes.set_title(title, fontsize=8, loc='center', pad=4)
        chosen = sorted(shown)[-16:]
        figure.legend(
            handles=[
                Patch(facecolor=colors[index] / 255, edgecolor=FAINT, linewidth=0.5, label=names[index])
                for index in chosen
            ],
            loc='outside lower center',
            ncols=6,
            fontsize=7,
        )
    return figure
