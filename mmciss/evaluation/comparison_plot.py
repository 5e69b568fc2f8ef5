"""The figure that compares methods on one protocol."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from mmciss.evaluation.figure_style import ALL, CYCLE, FAINT, MARKERS, NEW, OLD, SOFT, new_figure, style
from mmciss.evaluation.plots import finish_axes, label_ends
from mmciss.evaluation.published import method_key


def plot_comparison(problem: Mapping[str, Any]) -> Figure:
    """Draws mean IoU over the steps, and old, new and all after the last one, by method.

    Args:
        problem: One entry of :func:`mmciss.evaluation.merge.merge_runs`.
    """
    rows = problem['rows']
    height = max(4.0, 1.6 + 0.42 * len(rows))
    figure = new_figure(max(9.5, 7.0 + 0.4 * problem['num_steps']), height)
    with style():
        left, right = figure.subplots(1, 2, width_ratios=[1.15, 1])
        _curves(left, rows, problem['num_steps'], gap=16 / height)
        _finals(right, rows, problem['published'], problem['headline'])
        left.set_ylabel('mean IoU of all classes (%)')
        left.set_xlabel('step')
        left.set_title(problem['problem'], pad=10)
        right.set_title('after the last step', pad=10)
    return figure


def _curves(axes: Axes, rows: Sequence[Mapping[str, Any]], num_steps: int, gap: float) -> None:
    ends = []
    for index, row in enumerate(rows):
        color = CYCLE[index % len(CYCLE)]
        mean, deviation = (np.array(_numbers(row['curve'][key])) for key in ('mean', 'std'))
        steps = np.arange(len(mean))
        if row['joint']:
            axes.axhline(mean[-1], color=color, linewidth=1.4, linestyle=(0, (5, 3)))
            ends.append((num_steps - 1, mean[-1], row['name'], color))
            continue
        axes.plot(steps, mean, color=color, marker=MARKERS[index % len(MARKERS)], markersize=4.5, linewidth=1.6)
        if not np.isnan(deviation).all():
            axes.fill_between(steps, mean - deviation, mean + deviation, color=color, alpha=0.18, linewidth=0)
        ends.append((steps[-1], mean[-1], row['name'], color))
    finish_axes(axes, num_steps)
    label_ends(axes, ends, gap)


def _finals(
    axes: Axes, rows: Sequence[Mapping[str, Any]], literature: Sequence[Mapping[str, Any]], headline: str
) -> None:
    """Draws a line per method.

    The hollow diamond is what papers report for all, if they count the background as the headline does.
    """
    places = np.arange(len(rows))[::-1]
    markers = (('old', OLD, 'o'), ('new', NEW, 's'), ('all', ALL, 'D'))
    shown_published = False
    for place, row in zip(places, rows):
        scores = row['scores'][headline]
        for (key, color, marker), shift in zip(markers, (0.2, -0.2, 0.0)):
            mean, deviation = _numbers([scores[key]['mean'], scores[key]['std']])
            if np.isnan(mean):
                continue
            axes.errorbar(
                mean,
                place + shift,
                xerr=None if np.isnan(deviation) else deviation,
                color=color,
                marker=marker,
                markersize=5.5,
                capsize=2,
                linewidth=1.1,
            )
        values = [
            found['all']
            for found in literature
            if method_key(found['method']) == method_key(row['method'])
            and found['background'] in (None, headline == 'with_background')
        ]
        if values:
            shown_published = True
            axes.plot(
                values,
                [place] * len(values),
                linestyle='none',
                marker='D',
                markersize=8,
                fillstyle='none',
                color=SOFT,
                markeredgewidth=1.0,
            )
    axes.set_yticks(places, [f'{row["name"]}  (n={row["n"]})' if row['n'] > 1 else row['name'] for row in rows])
    axes.set_ylim(-0.6, len(rows) - 0.4)
    axes.set_xlim(0, 100)
    axes.set_xlabel('mean IoU (%)')
    axes.grid(axis='x', color=FAINT, linewidth=0.7)
    axes.set_axisbelow(True)
    axes.tick_params(axis='y', length=0)
    handles = [
        Line2D([], [], color=color, marker=marker, linestyle='none', label=key) for key, color, marker in markers
    ]
    if shown_published:
        handles.append(
            Line2D(
                [], [], color=SOFT, marker='D', markersize=8, fillstyle='none', linestyle='none', label='all, published'
            )
        )
    axes.legend(
        handles=handles,
        loc='upper center',
        bbox_to_anchor=(0.5, -0.14),
        ncols=4,
        fontsize=8,
        handletextpad=0.2,
        columnspacing=1.2,
    )


def _numbers(values: Sequence[float | None]) -> list[float]:
    return [np.nan if value is None else value for value in values]
