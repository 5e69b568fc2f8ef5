"""The figures of one run: a heat map of IoU[step][class], and curves over the steps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import Colormap
from matplotlib.figure import Figure
from matplotlib.transforms import ScaledTranslation

from mmciss.evaluation.figure_style import ALL, FAINT, INK, NEW, OLD, SOFT, new_figure, style
from mmciss.evaluation.scores import score_key

WIDE = 40
"""From this number of classes on, cells carry no numbers."""


def as_array(rows: Sequence[Sequence[float | None]]) -> np.ndarray:
    """Turns the rows of a report back into an array, None into NaN."""
    return np.array([[np.nan if value is None else value for value in row] for row in rows], dtype=np.float64)


def plot_heatmap(report: Mapping[str, Any]) -> Figure:
    """Draws IoU of every class after every step, with lines where classes arrive.

    Args:
        report: The content of ``report.json``.
    """
    first = int(report['background'] and not report['counts_background'])
    iou = as_array(report['iou'])[:, first:]
    steps, classes = iou.shape
    narrow = classes <= WIDE
    width = 2.2 + (0.42 * classes if narrow else 0.135 * classes) + 1.6
    figure = new_figure(max(6.0, width), 1.9 + (0.34 if narrow else 0.3) * steps)
    with style():
        main, side = figure.subplots(1, 2, width_ratios=[classes * (1 if narrow else 0.32), 3.6], sharey=True)
        colors = matplotlib.colormaps['viridis'].with_extremes(bad='#f0f0f0')
        image = _cells(main, iou, colors, annotate=narrow)
        _cells(side, _groups(report), colors, annotate=True)
        main.set_xticks(range(classes), report['classes'][first:], rotation=90, fontsize=8 if narrow else 5.5)
        main.set_yticks(range(steps), [f'step {step}' for step in range(steps)])
        side.set_xticks(range(3), ['old', 'new', 'all'], rotation=90, fontsize=8)
        side.tick_params(left=False)
        for boundary in _arrivals(report):
            main.axvline(boundary - first - 0.5, color='white', linewidth=3.2 if narrow else 1.8)
            main.axvline(boundary - first - 0.5, color=INK, linewidth=1.0 if narrow else 0.7)
        main.set_title(f'IoU after each step (%): {report["run"]["title"]}', pad=8)
        side.set_title('mean', pad=8)
        bar = figure.colorbar(image, ax=[main, side], fraction=0.05, pad=0.01, aspect=12 if steps < 8 else 20)
        bar.outline.set_visible(False)
    return figure


def _arrivals(report: Mapping[str, Any]) -> list[int]:
    """Gives the channels before which a line is drawn: the first of every step after step 0."""
    return [int(channel) for channel in np.cumsum(report['sizes'])[:-1] if 0 < channel < len(report['classes'])]


def _groups(report: Mapping[str, Any]) -> np.ndarray:
    steps = [step if step['finished'] else {} for step in report['steps'][: len(report['iou'])]]
    keys = [score_key(report, name) for name in ('old', 'new', 'all')]
    return as_array([[step.get(key) for key in keys] for step in steps])


def _cells(axes: Axes, values: np.ndarray, colors: Colormap, annotate: bool) -> Any:
    image = axes.imshow(values, cmap=colors, vmin=0, vmax=100, aspect='auto', interpolation='nearest')
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0)
    axes.set_xticks(np.arange(values.shape[1] + 1) - 0.5, minor=True)
    axes.set_yticks(np.arange(values.shape[0] + 1) - 0.5, minor=True)
    if annotate:
        axes.grid(which='minor', color='white', linewidth=0.8)
        for (row, column), value in np.ndenumerate(values):
            if not np.isnan(value):
                axes.text(
                    column,
                    row,
                    f'{value:.0f}',
                    ha='center',
                    va='center',
                    fontsize=7.5,
                    color=INK if value > 60 else 'white',
                )
    axes.tick_params(which='minor', length=0)
    return image


def plot_curves(report: Mapping[str, Any]) -> Figure:
    """Draws mean IoU of old, new and all classes over the steps.

    Args:
        report: The content of ``report.json``.
    """
    figure = new_figure(max(5.6, 2.6 + 0.52 * report['num_steps']), 3.7)
    with style():
        axes = figure.subplots()
        ends = []
        for key, color, marker, label in (('old', OLD, 'o', 'old'), ('new', NEW, 's', 'new'), ('all', ALL, 'D', 'all')):
            points = [
                (step['step'], step[score_key(report, key)])
                for step in report['steps']
                if step['finished'] and step[score_key(report, key)] is not None
            ]
            if points:
                axes.plot(*zip(*points), color=color, marker=marker, markersize=5, linewidth=2 if key == 'all' else 1.6)
                ends.append((points[-1][0], points[-1][1], f'{label} {points[-1][1]:.1f}', color))
        label_ends(axes, ends)
        finish_axes(axes, report['num_steps'])
        axes.set_xlabel('step')
        axes.set_ylabel('mean IoU (%), background counted' if report['counts_background'] else 'mean IoU (%)')
        axes.set_title(report['run']['title'], pad=10)
        convention = 'with_background' if report['counts_background'] else 'without_background'
        average = report['summary']['exclude'][convention]['average']
        if average is not None and report['num_steps'] > 1:
            axes.text(
                0.02,
                0.03,
                f'average of all over the steps: {average:.1f}',
                transform=axes.transAxes,
                fontsize=8,
                color=SOFT,
            )
    return figure


def finish_axes(axes: Axes, num_steps: int) -> None:
    """Gives axes over steps their limits, ticks and faint lines."""
    axes.set_ylim(0, 100)
    axes.set_xlim(-0.25, max(num_steps - 1, 1) + 0.25)
    axes.set_xticks(range(num_steps))
    axes.grid(axis='y', color=FAINT, linewidth=0.7)
    axes.set_axisbelow(True)


def label_ends(axes: Axes, ends: Sequence[tuple[float, float, str, str]], gap: float = 5.0) -> None:
    """Writes every line's name at its end, moved apart where they would overlap.

    Args:
        axes: Where.
        ends: ``(x, y, text, colour)`` of every line.
        gap: The least distance of two texts, in units of y.
    """
    ends = sorted(ends, key=lambda end: end[1])
    beside = axes.transData + ScaledTranslation(9 / 72, 0, axes.figure.dpi_scale_trans)
    for (x, _, text, color), at in zip(ends, spread_out([end[1] for end in ends], gap)):
        axes.text(x, at, text, color=color, fontsize=8.5, fontweight='bold', va='center', transform=beside)


def spread_out(values: Sequence[float], gap: float) -> list[float]:
    """Moves ascending values as little as possible, so that neighbours are ``gap`` apart.

    Examples:
        >>> spread_out([10.0, 11.0, 50.0], 5.0)
        [8.0, 13.0, 50.0]
    """
    blocks: list[list[float]] = []  # Mean and length of runs that touch: isotonic regression of value - gap * index.
    for index, value in enumerate(values):
        blocks.append([value - gap * index, 1])
        while len(blocks) > 1 and blocks[-2][0] >= blocks[-1][0]:
            mean, count = blocks.pop()
            before = blocks[-1]
            before[0] = (before[0] * before[1] + mean * count) / (before[1] + count)
            before[1] += count
    flat = [mean for mean, count in blocks for _ in range(int(count))]
    return [mean + gap * index for index, mean in enumerate(flat)]
