"""The report of an extension: what it did, what it kept, what it learned."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mmciss.evaluation.markdown import duration, number, table
from mmciss.evaluation.plots import save_figure
from mmciss.extend.comparison import Comparison
from mmciss.extend.figures import plot_changes, plot_classes, plot_confusion
from mmciss.extend.judging import judging_lines
from mmciss.utils.files import write_atomically, write_json

FIGURES = 'figures'


def write_extension_report(
    path: Path, summary: Mapping[str, Any], comparisons: Mapping[str, Comparison], palette: Sequence
) -> Path:
    """Writes ``report.json``, ``report.md`` and the figures, and returns the path of ``report.md``."""
    write_json(path / 'report.json', summary)
    figures = path / FIGURES
    names = [item['name'] for item in summary['classes']]
    key, title = (
        ('before', 'IoU in percent') if summary['measured'] else (None, 'agreement with the old model, percent')
    )
    before = [item['before'] for item in summary['classes']]
    after = [item['after'] if key or item['new'] else item['agreement'] for item in summary['classes']]
    save_figure(plot_classes(names, before, after, summary['num_old'], title), figures / 'classes.png')
    save_figure(plot_confusion(np.asarray(summary['confusion']), names, summary['num_old']), figures / 'confusion.png')
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
    parts = [
        f'# Extended by {", ".join(new)}',
        '',
        f'{summary["num_old"]} old classes, {summary["num_new"]} new. {_moved(summary)}; new classes have '
        f'the ids {summary["num_old"]} to {summary["num_old"] + summary["num_new"] - 1}. '
        f'Training took {duration(summary["seconds"])} for {summary["settings"]["iters"]["value"]} iterations.',
        '',
        '`model_config.py` and `model.pth` are plain MMSegmentation: they need no mmciss.',
        '',
        '## Result',
        '',
        _headline(summary),
        '',
        _class_table(summary),
        '',
        *(f'- {line}' for line in judging_lines(summary)),
        '',
        f'![classes]({FIGURES}/classes.png)',
        '',
        '## Old and new',
        '',
        _confusion_text(summary),
        '',
        f'![confusion]({FIGURES}/confusion.png)',
        '',
    ]
    if pictures:
        parts += ['## What changed', '', f'![what changed]({FIGURES}/changes.png)', '']
    parts += [
        '## How it was learned',
        '',
        _settings_table(summary),
        '',
        '## Data',
        '',
        *(f'- {line}' for line in summary['data']),
        '',
    ]
    if summary['notes']:
        parts += ['## Notes', '', *(f'- {line}' for line in summary['notes']), '']
    return '\n'.join(parts)


def _moved(summary: Mapping[str, Any]) -> str:
    moved = ', '.join(map(str, summary['moved']))
    return f'These ids moved: {moved}' if moved else 'No id of an old class moved'


def _headline(summary: Mapping[str, Any]) -> str:
    rows = []
    if summary['measured']:
        rows.append(['old classes, mean IoU', _iou(summary['old_before']), _iou(summary['old_after'])])
    rows.append(['old classes, agreement with the old model (mean IoU)', '100.00', _iou(summary['agreement'])])
    rows.append(['new classes, mean IoU', '–', _iou(summary['new_after'])])
    if summary['all_after'] is not None and summary['measured']:
        rows.append(['all classes, mean IoU', '–', _iou(summary['all_after'])])
    text = table(['percent', 'before', 'after'], rows)
    if not summary['measured']:
        text += (
            "\n\nNo labels of old classes were given, so what was forgotten is estimated: the old model's answers "
            'count as true wherever no new class is labelled. Give --old-val-config for a measurement.'
        )
    return text


def _class_table(summary: Mapping[str, Any]) -> str:
    rows = [
        [
            item['id'],
            f'**{item["name"]}** (new)' if item['new'] else item['name'],
            summary['sets'][item['judged_on']]['title'] if item['judged_on'] else '–',
            _iou(item['before']),
            _iou(item['after']),
            _iou(item['agreement']),
        ]
        for item in summary['classes']
    ]
    text = table(['id', 'class', 'judged on', 'IoU before', 'IoU after', 'agreement'], rows, text_columns=3)
    return '\n\n'.join([text, *_other_tables(summary)])


def _other_tables(summary: Mapping[str, Any]) -> list[str]:
    """Writes a table for every test set that also labels classes that are judged on another one."""
    texts = []
    for key, found in summary['sets'].items():
        rows = [
            [item['id'], item['name'], _iou(item['before']), _iou(item['after'])]
            for item in found['classes']
            if item['after'] is not None and summary['classes'][item['id']]['judged_on'] != key
        ]
        if rows:
            texts += [
                f'Also labelled in the {found["images"]} {found["title"]}:',
                table(['id', 'class', 'IoU before', 'IoU after'], rows, text_columns=2),
            ]
    return texts


def _iou(value: float | None) -> str:
    """Writes percent as MMSegmentation prints it."""
    return number(value, 2)


def _confusion_text(summary: Mapping[str, Any]) -> str:
    lines = [
        ('of the pixels of old classes are called new', summary['old_called_new']),
        ('of the pixels of new classes are called old', summary['new_called_old']),
        ('of the pixels labelled as no new class are called new', summary['unlabelled_called_new']),
    ]
    return '\n'.join(f'- {number(value, 2)} % {text}.' for text, value in lines if value is not None)


def _settings_table(summary: Mapping[str, Any]) -> str:
    rows = [
        [name.replace('_', ' '), _short(item['value']), item['reason']] for name, item in summary['settings'].items()
    ]
    return table(['setting', 'value', 'why'], rows, text_columns=3)


def _short(value: Any) -> str:
    if isinstance(value, Mapping):
        return str((value.get('optimizer') or {}).get('type'))
    return (
        'x'.join(map(str, value))
        if isinstance(value, list | tuple)
        else f'{value:g}'
        if isinstance(value, float)
        else str(value)
    )
