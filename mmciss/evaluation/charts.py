"""Interactive charts of the HTML report: heat map and curves of one run, and the comparison of several."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from bokeh.models import ColorBar, ColumnDataSource, FactorRange, FixedTicker, HoverTool, Range1d, Span
from bokeh.palettes import Viridis256
from bokeh.plotting import figure
from bokeh.transform import linear_cmap

from mmciss.evaluation.plots import CYCLE, LINES, MARKERS, NEW, OLD, WIDE
from mmciss.evaluation.scores import score_key

INK, SOFT, FAINT = '#010203', '#010204', '#010205'
"""Stand for the colours of text, axes and grid; the page puts those of its light or dark scheme in their place."""
GROUPS = (('old', OLD, 'circle'), ('new', NEW, 'square'), ('all', INK, 'diamond'))
SHAPES = dict(
    zip(
        MARKERS,
        ('circle', 'square', 'diamond', 'triangle', 'inverted_triangle', 'hex', 'star', 'x', 'plus', 'dot'),
        strict=True,
    )
)
DASHES = dict(zip(LINES, ('solid', 'dashed', 'dotted', 'dashdot'), strict=True))
MEAN = 'mean'
"""The tag of what shows the mean over runs, beside the labels of single runs."""


def heatmap_chart(report: Mapping[str, Any]) -> Any:
    """Draws the IoU of every class after every step, values on hover, with lines where classes arrive."""
    first = int(report['background'] and not report['counts_background'])
    names = report['classes'][first:]
    cells = [
        {
            'step': str(step),
            'name': name,
            'iou': round(row[channel], 2),
            'text': f'{row[channel]:.0f}',
            'ink': '#222222' if row[channel] > 60 else '#ffffff',
            'arrived': f'learned at step {0 if report["run"]["joint"] else report["learned_at"][channel]}',
        }
        for step, row in enumerate(report['iou'])
        for channel, name in enumerate(names, start=first)
        if row[channel] is not None
    ]
    steps = [str(step) for step in range(len(report['iou']))]
    narrow = len(names) <= WIDE
    chart = _figure(
        130 + 28 * len(steps) + 5 * max(map(len, names)),
        x_range=FactorRange(factors=names),
        y_range=FactorRange(factors=steps[::-1]),
        min_width=120 + (26 if narrow else 12) * len(names),
    )
    columns = ('step', 'name', 'iou', 'text', 'ink', 'arrived')
    source = ColumnDataSource({key: [cell[key] for cell in cells] for key in columns})
    color = linear_cmap('iou', Viridis256, 0, 100)
    shown = chart.rect('name', 'step', 1, 1, source=source, fill_color=color, line_color=FAINT if narrow else None)
    if narrow:
        chart.text(
            'name',
            'step',
            'text',
            source=source,
            text_color='ink',
            text_align='center',
            text_baseline='middle',
            text_font_size='11px',
        )
    for channel in np.cumsum(report['sizes'])[:-1]:
        if 0 < channel < len(report['classes']):
            chart.add_layout(Span(location=float(channel - first), dimension='height', line_color=INK, line_width=2))
    tips = [('class', '@name, @arrived'), ('after step', '@step'), ('IoU', '@iou{0.0} %')]
    chart.add_tools(HoverTool(tooltips=tips, renderers=[shown]))
    bar = ColorBar(color_mapper=color.transform, width=10, title='%', background_fill_color=None)
    bar.update(major_label_text_color=INK, title_text_color=INK)
    chart.add_layout(bar, 'right')
    chart.xaxis.major_label_orientation = np.pi / 2
    chart.yaxis.axis_label = 'step'
    chart.grid.visible = False
    return chart


def curves_chart(report: Mapping[str, Any]) -> Any:
    """Draws the mean IoU of old, new and all classes over the steps."""
    chart = _curves(report['num_steps'], 'mean IoU (%)')
    markers = []
    for name, color, marker in GROUPS:
        key = score_key(report, name)
        steps = [step for step in report['steps'] if step['finished'] and step[key] is not None]
        data = {'step': [step['step'] for step in steps], 'value': [step[key] for step in steps]}
        source = ColumnDataSource(data | {'name': [name] * len(steps)})
        style = {'source': source, 'color': color, 'legend_label': name}
        chart.line('step', 'value', line_width=2, **style)
        markers.append(chart.scatter('step', 'value', marker=marker, size=9, **style))
    chart.add_tools(HoverTool(tooltips='@name after step @step: @value{0.0} %', renderers=markers))
    _legend(chart)
    return chart


def comparison_charts(problem: Mapping[str, Any]) -> tuple[Any, Any]:
    """Draws the mean IoU of all classes over the steps, and that after the last one, for every method.

    What belongs to a method is tagged with its place among the rows, and with :data:`MEAN` or the label of a run, so
    that the page can show what is asked for.

    Args:
        problem: One entry of :func:`mmciss.evaluation.merge.merge_runs`.
    """
    rows, headline, last = problem['rows'], problem['headline'], problem['num_steps'] - 1
    curves = _curves(problem['num_steps'], 'mean IoU of all classes (%)')
    finals = _figure(110 + 26 * len(rows), y_range=FactorRange(factors=[row['name'] for row in rows][::-1]))
    hovered: dict[str, list[Any]] = {'curves': [], 'finals': []}
    for index, row in enumerate(rows):
        color, marker, dash = method_style(index)
        values = {MEAN: row['curve']['mean']} | dict(zip(run_labels(row), row['curve']['values'], strict=True))
        for label, curve in values.items():
            ends = np.asarray([curve[-1]] * (last + 1) if row['joint'] else curve, np.float64)
            source = ColumnDataSource(
                {'step': list(range(len(ends))), 'value': ends, 'name': [f'{row["name"]}, {label}'] * len(ends)}
            )
            style = {'source': source, 'color': color, 'visible': label == MEAN}
            line = curves.line('step', 'value', line_width=2, line_dash='dashed' if row['joint'] else dash, **style)
            points = curves.scatter('step', 'value', marker=marker, size=8, **style)
            line.tags = points.tags = [index, label]
            hovered['curves'].append(points)
        deviation = row['curve']['std']
        if deviation[0] is not None and not row['joint']:
            mean, spread = np.asarray(values[MEAN], np.float64), np.asarray(deviation, np.float64)
            band = {'x': np.arange(len(mean)), 'y1': mean - spread, 'y2': mean + spread}
            area = curves.varea('x', 'y1', 'y2', source=ColumnDataSource(band), color=color, alpha=0.15)
            area.tags = [index, MEAN]
        for group, shade, shape in GROUPS:
            score = row['scores'][headline][group]
            results = {MEAN: score['mean']} | dict(zip(run_labels(row), score['values'], strict=True))
            for label, value in results.items():
                point = {'value': np.array([value], np.float64), 'name': [row['name']], 'label': [f'{group}, {label}']}
                style = {'source': ColumnDataSource(point), 'color': shade, 'visible': label == MEAN}
                dot = finals.scatter('value', 'name', marker=shape, size=10, legend_label=group, **style)
                dot.tags = [index, label]
                hovered['finals'].append(dot)
    curves.add_tools(HoverTool(tooltips='@name, step @step: @value{0.0} %', renderers=hovered['curves']))
    finals.add_tools(HoverTool(tooltips='@name: @label @value{0.0} %', renderers=hovered['finals']))
    finals.x_range = Range1d(-2, 102)
    finals.xaxis.axis_label = 'mean IoU after the last step (%)'
    _legend(finals)
    return curves, finals


def method_style(index: int) -> tuple[str, str, str]:
    """Returns colour, marker and dash of a method; a colour that comes again has another marker and dash."""
    again = index // len(CYCLE)
    color = CYCLE[index % len(CYCLE)].replace('#000000', INK)
    return color, SHAPES[MARKERS[(index + again) % len(MARKERS)]], DASHES[LINES[again % len(LINES)]]


def run_labels(row: Mapping[str, Any]) -> list[str]:
    """Names the runs of a method by seed, and by class order where that is not the natural one; each name once."""
    labels: list[str] = []
    for run, seed, order in zip(row['runs'], row['run_seeds'], row['run_orders'], strict=True):
        label = run if seed is None else f'seed {seed}' + (f', order {order}' if order != 'natural' else '')
        labels.append(f'{label} ({run})' if label in labels else label)
    return labels


def _figure(height: int, **options: Any) -> Any:
    chart = figure(height=height, sizing_mode='stretch_width', toolbar_location=None, tools='', **options)
    chart.update(background_fill_color=None, border_fill_color=None, outline_line_color=None)
    for axis in chart.axis:
        axis.update(
            axis_label_text_color=INK,
            major_label_text_color=INK,
            axis_line_color=SOFT,
            major_tick_line_color=None,
            minor_tick_line_color=None,
            axis_label_text_font_style='normal',
        )
    for grid in chart.grid:
        grid.update(grid_line_color=FAINT)
    return chart


def _curves(num_steps: int, label: str) -> Any:
    chart = _figure(340, x_range=Range1d(-0.2, num_steps - 0.8), y_range=Range1d(-2, 102))
    chart.xaxis.ticker = FixedTicker(ticks=list(range(num_steps)))
    chart.xaxis.axis_label, chart.yaxis.axis_label = 'step', label
    return chart


def _legend(chart: Any) -> None:
    """Moves the legend above the chart, where it covers nothing."""
    for legend in list(chart.legend):
        legend.update(
            orientation='horizontal',
            background_fill_color=None,
            border_line_color=None,
            label_text_color=INK,
            padding=0,
        )
        chart.add_layout(legend, 'above')
