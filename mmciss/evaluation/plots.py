"""The figures: heat map and curves of one run, and the comparison of several."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.transforms import ScaledTranslation

from mmciss.evaluation.published import method_key
from mmciss.evaluation.scores import score_key
from mmciss.utils.files import write_atomically

DPI = 150
INK, SOFT, FAINT = '#222222', '#6b6b6b', '#d9d9d9'
OLD, NEW, ALL = '#0072B2', '#D55E00', '#222222'
GROUPS = (('old', OLD, 'o'), ('new', NEW, 's'), ('all', ALL, 'D'))
CYCLE = ('#0072B2', '#D55E00', '#009E73', '#CC79A7', '#E69F00', '#56B4E9', '#8C510A', '#542788', '#7F7F7F', '#000000')
"""Okabe and Ito's colours, which colour-blind readers tell apart, with the pale yellow replaced; one per method."""
CELLS = matplotlib.colormaps['viridis'].with_extremes(bad='#f0f0f0')
MARKERS = 'osD^vP*Xhp'
LINES = ('-', '--', ':', '-.')
WIDE = 40
"""From this number of classes on, the cells of the heat map carry no numbers."""
LINE_HEIGHT = 0.15
"""Inches between two names at the ends of curves."""
_STYLE: dict[Any, Any] = {
    'font.family': 'DejaVu Sans',
    'font.size': 9,
    'axes.titlesize': 10,
    'axes.titleweight': 'bold',
    'axes.titlelocation': 'left',
    'axes.labelsize': 9,
    'axes.labelcolor': INK,
    'axes.edgecolor': SOFT,
    'axes.spines.top': False,
    'axes.spines.right': False,
    'axes.linewidth': 0.8,
    'xtick.color': INK,
    'ytick.color': INK,
    'legend.frameon': False,
    'text.color': INK,
    'text.parse_math': False,  # names of classes and methods are no formulas
    'figure.dpi': DPI,
}


def style() -> AbstractContextManager[None]:
    """Returns the context in which axes are made, for a ``with`` statement."""
    return matplotlib.rc_context(_STYLE)


def new_figure(width: float, height: float) -> Figure:
    """Makes a figure of so many inches that needs no window system."""
    with style():
        figure = Figure(figsize=(width, height), layout='constrained')
        FigureCanvasAgg(figure)
    return figure


def save_figure(figure: Figure, path: Path) -> None:
    """Writes a figure as PNG, atomically."""
    write_atomically(path, lambda temporary: figure.savefig(temporary, format='png', dpi=DPI, facecolor='white'))


def plot_heatmap(report: Mapping[str, Any]) -> Figure:
    """Draws the IoU of every class after every step out of ``report.json``, with lines where classes arrive."""
    first = int(report['background'] and not report['counts_background'])
    iou = _array(report['iou'])[:, first:]
    steps, classes = iou.shape
    narrow = classes <= WIDE
    width = 2.2 + (0.42 if narrow else 0.135) * classes + 1.6
    figure = new_figure(max(6.0, width), 1.9 + (0.34 if narrow else 0.3) * steps)
    with style():
        main, side = figure.subplots(1, 2, width_ratios=[classes * (1 if narrow else 0.32), 3.6], sharey=True)
        image = draw_cells(main, iou, annotate=narrow)
        finished = [step if step['finished'] else {} for step in report['steps'][:steps]]
        means = [[step.get(score_key(report, name)) for name, _, _ in GROUPS] for step in finished]
        draw_cells(side, _array(means), annotate=True)
        main.set_xticks(range(classes), report['classes'][first:], rotation=90, fontsize=8 if narrow else 5.5)
        main.set_yticks(range(steps), [f'step {step}' for step in range(steps)])
        side.set_xticks(range(3), [name for name, _, _ in GROUPS], rotation=90, fontsize=8)
        side.tick_params(left=False)
        for channel in np.cumsum(report['sizes'])[:-1]:
            if 0 < channel < len(report['classes']):
                main.axvline(channel - first - 0.5, color='white', linewidth=3.2 if narrow else 1.8)
                main.axvline(channel - first - 0.5, color=INK, linewidth=1.0 if narrow else 0.7)
        main.set_title(f'IoU after each step (%): {report["run"]["title"]}', pad=8)
        side.set_title('mean', pad=8)
        bar = figure.colorbar(image, ax=[main, side], fraction=0.05, pad=0.01, aspect=12 if steps < 8 else 20)
        bar.outline.set_visible(False)
    return figure


def draw_cells(axes: Axes, values: np.ndarray, annotate: bool) -> Any:
    """Draws percentages ``(rows, columns)`` as coloured cells, with their numbers if asked for; NaN stays empty."""
    image = axes.imshow(values, cmap=CELLS, vmin=0, vmax=100, aspect='auto', interpolation='nearest')
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0)
    axes.set_xticks(np.arange(values.shape[1] + 1) - 0.5, minor=True)
    axes.set_yticks(np.arange(values.shape[0] + 1) - 0.5, minor=True)
    axes.tick_params(which='minor', length=0)
    if annotate:
        axes.grid(which='minor', color='white', linewidth=0.8)
        for (row, column), value in np.ndenumerate(values):
            if not np.isnan(value):
                color = INK if value > 60 else 'white'
                axes.text(column, row, f'{value:.0f}', ha='center', va='center', fontsize=7.5, color=color)
    return image


def plot_curves(report: Mapping[str, Any]) -> Figure:
    """Draws the mean IoU of old, new and all classes over the steps out of ``report.json``."""
    figure = new_figure(max(5.6, 2.6 + 0.52 * report['num_steps']), 3.8)
    counted = report['counts_background']
    with style():
        axes, ends = figure.subplots(), []
        for name, color, marker in GROUPS:
            key = score_key(report, name)
            points = [
                (step['step'], step[key]) for step in report['steps'] if step['finished'] and step[key] is not None
            ]
            if points:
                axes.plot(
                    *zip(*points, strict=True),
                    color=color,
                    marker=marker,
                    markersize=5,
                    linewidth=2 if name == 'all' else 1.6,
                )
                ends.append((*points[-1], f'{name} {points[-1][1]:.1f}', color, ''))
        _finish_steps(axes, report['num_steps'], ends)
        axes.set_ylabel('mean IoU (%), background counted' if counted else 'mean IoU (%)')
        axes.set_title(report['run']['title'], pad=10)
        average = report['summary']['exclude']['with_background' if counted else 'without_background']['average']
        if average is not None and report['num_steps'] > 1:
            axes.set_xlabel(f'step   (average of all over the steps: {average:.1f})')
    return figure


def plot_comparison(problem: Mapping[str, Any]) -> Figure:
    """Draws the mean IoU over the steps, and old, new and all after the last one, by method.

    ``problem`` is one entry of :func:`mmciss.evaluation.merge.merge_runs`.
    """
    rows = problem['rows']
    figure = new_figure(max(9.5, 7.0 + 0.4 * problem['num_steps']), max(4.0, 1.6 + 0.32 * len(rows)))
    with style():
        left, right = figure.subplots(1, 2, width_ratios=[1.15, 1])
        _compare_curves(left, rows, problem['num_steps'])
        left.set_ylabel('mean IoU of all classes (%)')
        left.set_title(problem['problem'], pad=10)
        handles = _compare_finals(right, problem)
        right.set_title('after the last step', pad=10)
        figure.legend(handles=handles, loc='outside lower right', ncols=4, fontsize=8, handletextpad=0.2)
    return figure


def _compare_curves(axes: Axes, rows: Sequence[Mapping[str, Any]], num_steps: int) -> None:
    ends = []
    for index, row in enumerate(rows):
        again = index // len(CYCLE)  # a colour that comes again has another marker and line
        color, marker = CYCLE[index % len(CYCLE)], MARKERS[(index + again) % len(MARKERS)]
        mean, deviation = _array([row['curve']['mean'], row['curve']['std']])
        if row['joint']:
            axes.plot([0, num_steps - 1], [mean[-1]] * 2, color=color, linewidth=1.4, linestyle=(0, (5, 3)))
            ends.append((num_steps - 1, mean[-1], row['name'], color, '_'))
            continue
        steps = np.arange(len(mean))
        line = LINES[again % len(LINES)]
        axes.plot(steps, mean, color=color, marker=marker, markersize=4.5, linewidth=1.6, linestyle=line)
        if len(rows) <= len(CYCLE) and not np.isnan(deviation).all():  # more bands hide each other
            axes.fill_between(steps, mean - deviation, mean + deviation, color=color, alpha=0.18, linewidth=0)
        ends.append((steps[-1], mean[-1], row['name'], color, marker))
    _finish_steps(axes, num_steps, ends)


def _compare_finals(axes: Axes, problem: Mapping[str, Any]) -> list[Line2D]:
    """Draws a line per method and returns the legend.

    The hollow diamond is what papers report for all classes, if they count the background as the headline does.
    """
    rows, headline = problem['rows'], problem['headline']
    published: dict[str, Any] = dict(
        linestyle='none', marker='D', markersize=8, fillstyle='none', color=SOFT, markeredgewidth=1.0
    )
    shown: list[float] = []
    places = range(len(rows) - 1, -1, -1)
    for place, row in zip(places, rows, strict=True):
        for (name, color, marker), shift in zip(GROUPS, (0.2, -0.2, 0.0), strict=True):
            mean, deviation = _array([[row['scores'][headline][name][part] for part in ('mean', 'std')]])[0]
            if not np.isnan(mean):
                spread = None if np.isnan(deviation) else deviation
                axes.errorbar(
                    mean,
                    place + shift,
                    xerr=spread,
                    color=color,
                    marker=marker,
                    markersize=5.5,
                    capsize=2,
                    linewidth=1.1,
                )
        values = [
            found['all']
            for found in problem['published']
            if method_key(found['method']) == method_key(row['method'])
            and found['background'] in (None, headline == 'with_background')
        ]
        if values:
            axes.plot(values, [place] * len(values), **published)
            shown += values
    axes.set_yticks(places, [f'{row["name"]}  (n={row["n"]})' if row['n'] > 1 else row['name'] for row in rows])
    axes.set_ylim(-0.6, len(rows) - 0.4)
    axes.set_xlim(*_limits(axes.dataLim.x1))
    axes.set_xlabel('mean IoU (%)')
    axes.grid(axis='x', color=FAINT, linewidth=0.7)
    axes.set_axisbelow(True)
    axes.tick_params(axis='y', length=0)
    handles = [
        Line2D([], [], color=color, marker=marker, linestyle='none', label=name) for name, color, marker in GROUPS
    ]
    return handles + ([Line2D([], [], label='all, published', **published)] if shown else [])


def _limits(highest: float) -> tuple[float, float]:
    """Returns the limits of an axis of percent: to the next ten above all values, with room for markers at both ends.

    Examples:
        >>> _limits(94.0), _limits(21.0)
        ((-2.0, 102.0), (-0.6, 30.6))
    """
    top = 10 * max(1.0, np.ceil(highest / 10)) if highest <= 100 else 100
    return -0.02 * float(top), 1.02 * float(top)


def _finish_steps(axes: Axes, num_steps: int, ends: Sequence[tuple[float, float, str, str, str]]) -> None:
    """Sets limits, ticks and grid of axes over the steps, and writes a name at the end of every line.

    The ends of lines are ``(x, y, name, colour, marker)``; overlapping names are moved apart, their markers with them.
    """
    bottom, top = _limits(axes.dataLim.y1)
    axes.set_ylim(bottom, top)
    axes.set_xlim(*((-0.05 * (num_steps - 1), 1.02 * (num_steps - 1)) if num_steps > 1 else (-0.5, 0.5)))
    axes.set_xticks(range(num_steps))
    axes.set_xlabel('step')
    axes.grid(axis='y', color=FAINT, linewidth=0.7)
    axes.set_axisbelow(True)
    figure = axes.figure
    assert isinstance(figure, Figure)
    gap = LINE_HEIGHT * (top - bottom) / (figure.get_figheight() - 0.9)
    ends = sorted(ends, key=lambda end: end[1])
    for (x, _, name, color, marker), at in zip(ends, spread_out([end[1] for end in ends], gap), strict=True):
        sample, text = (
            axes.transData + ScaledTranslation(points / 72, 0, figure.dpi_scale_trans)
            for points in ((11, 18) if marker else (0, 9))
        )
        axes.scatter([x], [at], s=20, marker=marker, color=color, transform=sample, clip_on=False)
        axes.text(x, at, name, color=color, fontsize=8.5, fontweight='bold', va='center', transform=text)


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


def _array(rows: Sequence[Sequence[float | None]]) -> np.ndarray:
    """Turns rows of a report into an array, None into NaN."""
    return np.array(rows, dtype=np.float64)
