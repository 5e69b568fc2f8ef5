"""The few lines that say what will be learned, and how each step went."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from mmciss.engine.display.display import Display, learned_names
from mmciss.engine.display.time_left import TimeLeft
from mmciss.evaluation.diagnosis import diagnose
from mmciss.evaluation.scores import headline_scores, result_iou

if TYPE_CHECKING:
    from mmciss.engine.runner.experiment import Experiment
    from mmciss.engine.runner.run_folder import RunFolder

COLUMNS = (('step', 4), ('learns', 20), ('old', 5), ('new', 5), ('all', 5), ('lost most', 15), ('learned worst', 14))
"""Titles and widths of the table of steps; two blanks lie between columns, so that it fits 80 characters."""
MOST_FINDINGS = 3
"""So many statements about a step are shown at once."""
TEXTS = ('learns', 'lost most', 'learned worst')


def introduce(display: Display, experiment: Experiment, folder: RunFolder) -> None:
    """Shows what will be trained, and the table of the steps that are done.

    Args:
        display: The display; it learns how much is to be done.
        experiment: The experiment.
        folder: Its folder.
    """
    steps, iterations = list(experiment.protocol), [plan.iterations for plan in experiment.plans]
    details = experiment.details()
    display.expect(TimeLeft(iterations, experiment.num_test_images(), experiment.global_batch))
    if experiment.datasets is None:
        return  # an extension, which describes itself and is tested at its end
    learns = [len(step.new_names) for step in steps]
    for line in introduction(details, str(folder.path), learns, experiment.num_images, iterations):
        display.show(line)
    display.show(f'\n{table_header()}')
    for index in range(folder.first_open_step(len(steps))):
        show_step(display, folder, index)


def show_step(display: Display, folder: RunFolder, index: int) -> None:
    """Shows the row of a finished step in the table of steps, if it was tested."""
    result = folder.result(index) or {}
    if not result.get('confusion'):
        return
    before = folder.result(index - 1) if index else None
    display.show(table_row(result, before))
    findings = [item for item in diagnose([*[None] * (index - 1), before, result][-index - 1 :]) if item.step == index]
    for finding in findings[:MOST_FINDINGS]:
        display.show(f'      {finding.text} {finding.remedy}')
    if len(findings) > MOST_FINDINGS:
        display.show(f'      ... and {len(findings) - MOST_FINDINGS} more, see the report')


def introduction(
    details: Mapping[str, Any], folder: str, learns: Sequence[int], images: Sequence[int], iterations: Sequence[int]
) -> list[str]:
    """Returns three lines about what will be trained.

    Args:
        details: See :meth:`mmciss.engine.runner.experiment.Experiment.details`.
        folder: Where the results go.
        learns: Number of classes that each step learns.
        images: Number of training images of each step.
        iterations: Iterations of each step.
    """
    what = f'{details["method"]} on {details["dataset"].removesuffix("Dataset")} {details["protocol"]}'
    if details.get('setting'):
        what += f', {details["setting"]}'
    if details.get('held_out'):
        what += f', tested on {100 * details["held_out"]:g} % of the training images'
    steps = [_step(learns[0], images[:1], iterations[:1], 'step 0')]
    if len(learns) > 1:
        last = len(learns) - 1
        title = 'step 1' if last == 1 else f'steps 1 to {last}'
        steps.append(_step(sum(learns[1:]), images[1:], iterations[1:], title))
    return [
        f'{what}: {sum(learns)} classes in {len(learns)} step{"s" if len(learns) > 1 else ""}',
        '; '.join(steps),
        f'{details["model"]} on {details["machine"]}; everything goes to {folder}',
    ]


def conclusion(report: Mapping[str, Any]) -> list[str]:
    """Returns the result of a run in a sentence or two; nothing if there is none for all classes.

    Args:
        report: The content of ``report.json``.
    """
    convention = 'with_background' if report.get('counts_background') else 'without_background'
    scores = report.get('summary', {}).get('exclude', {}).get(convention) or {}
    if scores.get('all') is None:
        return []
    groups = [f'{name} {scores[name]:.1f}' for name in ('old', 'new', 'all') if scores.get(name) is not None]
    line = f'{report["run"]["method"]} after step {report["last_step"]}: mean IoU {", ".join(groups)} %'
    if (lost := scores.get('forgetting')) is not None:
        change = (
            f'classes lost {lost:.1f} points since they were known best' if _shows(lost) else 'nothing was forgotten'
        )
        line += f'; {change}'
    return [f'{line}.']


def _step(classes: int, images: Sequence[int], iterations: Sequence[int], title: str) -> str:
    each = ' each' if len(images) > 1 else ''
    number = f'{classes} class{"" if classes == 1 else "es"}'
    return f'{title}: {number}, {_range(images)} images and {_range(iterations)} iterations{each}'


def _range(numbers: Sequence[int]) -> str:
    low, high = min(numbers), max(numbers)
    return f'{low}' if low == high else f'{low} to {high}'


def table_header() -> str:
    """Returns the titles of the table of steps."""
    return _row([title for title, _ in COLUMNS])


def table_row(result: Mapping[str, Any], before: Mapping[str, Any] | None) -> str:
    """Returns the row of a finished step: scores in percent, what was lost most and what was learned worst.

    Args:
        result: The content of the step's ``result.json``.
        before: That of the step before, or None at the base step.
    """
    iou, names = result_iou(result), list(result['classes'])
    numbers = [_number(score) for score in headline_scores(result)]
    first = sum(result['sizes'][:-1]) if before is not None else int(result.get('background', True))
    learns, widths = names[first:], dict(COLUMNS)
    worst = _named(_extreme(learns, iou[first:]), '.1f', widths['learned worst'])
    lost = ''
    if before is not None:
        absent = result.get('background', True) and not result.get('data_background', True)
        known = slice(int(absent), len(before['classes']))  # the data have no background, the model has one
        found = _extreme(names[known], (iou[: known.stop] - result_iou(before))[known])
        lost = _named(found, '+.1f', widths['lost most']) if found and _shows(-found[1]) else 'nothing'
    texts = [learned_names(learns, limit) for limit in (2, 1)]
    fits = len(texts[0]) <= widths['learns']
    return _row([str(result['step']), texts[0] if fits else texts[1], *numbers, lost, worst])


def _extreme(names: Sequence[str], values: np.ndarray) -> tuple[str, float] | None:
    """Returns the name with the lowest value, without those that are not defined."""
    known = [(float(value), name) for name, value in zip(names, values, strict=True) if not math.isnan(value)]
    if not known:
        return None
    value, name = min(known)
    return name, value


def _shows(points: float) -> bool:
    """Returns whether a loss is more than zero as it is printed."""
    return round(points, 1) > 0


def _named(item: tuple[str, float] | None, form: str, width: int) -> str:
    """Returns a name and its value, of which the name is cut to fit."""
    if item is None:
        return ''
    value = format(item[1], form)
    return f'{_cut(item[0], width - len(value) - 1)} {value}'


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else f'{text[: width - 1].rstrip()}…'


def _number(value: float) -> str:
    return '' if math.isnan(value) else f'{value:.1f}'


def _row(cells: Sequence[str]) -> str:
    texts = []
    for (title, width), cell in zip(COLUMNS, cells, strict=True):
        short = _cut(cell, width)
        texts.append(short.ljust(width) if title in TEXTS else short.rjust(width))
    return '  '.join(texts).rstrip()
