"""The report of an extension: what it did, what it kept, what it learned."""
from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mmciss.evaluation.figure_style import save_figure
from mmciss.evaluation.markdown import duration, number, table
from mmciss.extend.comparison import Comparison, agreement_iou, class_iou, new_class_iou
from mmciss.extend.figures import plot_changes, plot_classes, plot_confusion
from mmciss.protocols.step import Step
from mmciss.utils.files import write_atomically, write_json

FIGURES = 'figures'


def summarize(step: Step, comparisons: Mapping[str, Comparison], facts: Mapping[str, Any]) -> dict[str, Any]:
    """Computes everything that the report says.

    Args:
        step: Old and new classes.
        comparisons: By kind of data: ``'old'`` (labels of old classes), ``'new'`` (labels of new ones).
        facts: What is not computed from predictions: settings, data, times, files.
    """
    num_old = step.num_old
    total = sum(comparisons.values(), Comparison.empty(num_old, step.num_new))
    before, after = class_iou(total.before), class_iou(total.after)
    after[num_old:] = new_class_iou(total.after, num_old)
    # Without a labelled pixel of an old class there is no IoU; then the old model is the measure.
    measured = any(value is not None for value in before[:num_old])
    same, agreement = agreement_iou(total.agreement)
    confused = total.after[:num_old, num_old:].sum(), total.after[num_old:step.num_seen, :num_old].sum()
    truths = total.after[:num_old].sum(), total.after[num_old:step.num_seen].sum()
    return {
        **facts, 'num_old': num_old, 'num_new': step.num_new, 'background': step.background,
        'measured': measured,
        'classes': [{'id': index, 'name': name, 'new': index >= num_old,
                     'before': before[index] if index < num_old else None, 'after': after[index],
                     'agreement': agreement[index] if index < num_old else None,
                     'pixels': int(total.after[index].sum())} for index, name in enumerate(step.names)],
        'old_before': _mean(before[:num_old]), 'old_after': _mean(after[:num_old]), 'new_after': _mean(after[num_old:]),
        'agreement_pixels': same, 'agreement': _mean(agreement),
        'old_called_new': _share(confused[0], truths[0]), 'new_called_old': _share(confused[1], truths[1]),
        'unlabelled_called_new': _share(total.after[-1, num_old:].sum(), total.after[-1].sum()),
        'confusion': total.after.tolist(), 'confusion_before': total.before.tolist(),
        'images': {name: item.num_images for name, item in comparisons.items()},
    }


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return statistics.fmean(known) if known else None


def _share(part: Any, whole: Any) -> float | None:
    return 100 * int(part) / int(whole) if whole else None


def write_extension_report(path: Path, summary: Mapping[str, Any], comparisons: Mapping[str, Comparison],
                           palette: Sequence) -> Path:
    """Writes ``report.json``, ``report.md`` and the figures, and returns the path of ``report.md``."""
    write_json(path / 'report.json', summary)
    figures = path / FIGURES
    names = [item['name'] for item in summary['classes']]
    key, title = ('before', 'IoU in percent') if summary['measured'] else (None, 'agreement with the old model, percent')
    before = [item['before'] for item in summary['classes']]
    after = [item['after'] if key or item['new'] else item['agreement'] for item in summary['classes']]
    save_figure(plot_classes(names, before, after, summary['num_old'], title), figures / 'classes.png')
    save_figure(plot_confusion(np.asarray(summary['confusion']), names, summary['num_old']),
                figures / 'confusion.png')
    pictures = [picture for item in comparisons.values() for picture in item.pictures]
    if pictures:
        pictures = sorted(pictures, key=lambda picture: -picture.weight)[:6]
        save_figure(plot_changes(pictures, names, palette, summary['background']), figures / 'changes.png')
    text = report_text(summary, bool(pictures))
    write_atomically(path / 'report.md', lambda temporary: temporary.write_text(text, encoding='utf-8'))
    return path / 'report.md'


def report_text(summary: Mapping[str, Any], pictures: bool = True) -> str:
    """Writes the report in Markdown."""
    new = [item['name'] for item in summary['classes'] if item['new']]
    parts = [f'# Extended by {", ".join(new)}', '',
             f'{summary["num_old"]} old classes, {summary["num_new"]} new. {_moved(summary)}; new classes have '
             f'the ids {summary["num_old"]} to {summary["num_old"] + summary["num_new"] - 1}. '
             f'Training took {duration(summary["seconds"])} for {summary["settings"]["iters"]["value"]} iterations.', '',
             '`model_config.py` and `model.pth` are plain MMSegmentation: they need no mmciss.', '',
             '## Result', '', _headline(summary), '', _class_table(summary), '',
             f'![classes]({FIGURES}/classes.png)', '', '## Old and new', '', _confusion_text(summary), '',
             f'![confusion]({FIGURES}/confusion.png)', '']
    if pictures:
        parts += ['## What changed', '', f'![what changed]({FIGURES}/changes.png)', '']
    parts += ['## How it was learned', '', _settings_table(summary), '', '## Data', '',
              *(f'- {line}' for line in summary['data']), '']
    if summary['notes']:
        parts += ['## Notes', '', *(f'- {line}' for line in summary['notes']), '']
    return '\n'.join(parts)


def _moved(summary: Mapping[str, Any]) -> str:
    moved = ', '.join(map(str, summary['moved']))
    return f'These ids moved: {moved}' if moved else 'No id of an old class moved'


def _headline(summary: Mapping[str, Any]) -> str:
    rows = []
    if summary['measured']:
        rows.append(['old classes, mean IoU', number(summary['old_before']), number(summary['old_after'])])
    rows.append(['old classes, agreement with the old model (mean IoU)', '100.0', number(summary['agreement'])])
    rows.append(['new classes, mean IoU', '–', number(summary['new_after'])])
    text = table(['percent', 'before', 'after'], rows)
    if not summary['measured']:
        text += ('\n\nNo labels of old classes were given, so what was forgotten is estimated: the old model\'s answers '
                 'count as true wherever no new class is labelled. Give --old-val-config for a measurement.')
    return text


def _class_table(summary: Mapping[str, Any]) -> str:
    rows = [[item['id'], f'**{item["name"]}** (new)' if item['new'] else item['name'], number(item['before']),
             number(item['after']), number(item['agreement'])] for item in summary['classes']]
    return table(['id', 'class', 'IoU before', 'IoU after', 'agreement'], rows, text_columns=2)


def _confusion_text(summary: Mapping[str, Any]) -> str:
    lines = [('of the pixels of old classes are called new', summary['old_called_new']),
             ('of the pixels of new classes are called old', summary['new_called_old']),
             ('of the pixels labelled as no new class are called new', summary['unlabelled_called_new'])]
    return '\n'.join(f'- {number(value, 2)} % {text}.' for text, value in lines if value is not None)


def _settings_table(summary: Mapping[str, Any]) -> str:
    rows = [[name.replace('_', ' '), _short(item['value']), item['reason']]
            for name, item in summary['settings'].items()]
    return table(['setting', 'value', 'why'], rows, text_columns=3)


def _short(value: Any) -> str:
    if isinstance(value, Mapping):
        return str((value.get('optimizer') or {}).get('type'))
    return 'x'.join(map(str, value)) if isinstance(value, list | tuple) else f'{value:g}' if isinstance(
        value, float) else str(value)
