"""What the report of an extension adds to that of every run: settings, data, what was judged where, what was kept."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from mmciss.errors import names
from mmciss.evaluation.markdown import EMPTY, number, table
from mmciss.evaluation.plots import FAINT, NEW, OLD, draw_cells, new_figure, style
from mmciss.evaluation.report import Section
from mmciss.extend.settings import value_text

FEW_IMAGES = 20
"""With fewer test images the report warns that IoUs are rough."""
MOST_CLASSES = 40
"""Figures show at most this many classes; the figure of confusions shows those with most pixels, and all new ones."""


def extension_sections(summary: Mapping[str, Any]) -> list[Section]:
    """Returns the sections; ``summary`` is the content of ``extension.json``."""
    shares = {
        'of the pixels of old classes are called new': summary['old_called_new'],
        'of the pixels of new classes are called old': summary['new_called_old'],
        'of the pixels labelled as no new class are called new': summary['unlabelled_called_new'],
    }
    mixed = '\n'.join(f'- {number(value, 2)} % {text}.' for text, value in shares.items() if value is not None)
    settings = [
        [name.replace('_', ' '), value_text(item['value']), item['reason']]
        for name, item in summary['settings'].items()
    ]
    return [
        Section('What was kept', _kept(summary), {'classes': plot_classes(summary)}),
        Section('Old and new', mixed, {'confusion': plot_confusion(summary)}),
        Section('How it was learned', table(['setting', 'value', 'why'], settings, text_columns=3)),
        Section('Data', '\n'.join(f'- {line}' for line in summary['data'])),
    ]


def headline(summary: Mapping[str, Any]) -> str:
    """Says in one line what was kept and learned, in percent."""
    new = f'New classes have a mean IoU of {number(summary["new_after"], 2)}'
    agreement = f'agree with those of the old model with a mean IoU of {number(summary["agreement"], 2)}'
    if not summary['measured']:
        return (
            f'{new}. No labels of old classes were given, so forgetting is estimated: where no new class is labelled, '
            f"the old model's answers count as true, and old classes {agreement}. Give --old-val-config to measure it."
        )
    return (
        f'{new}. Old classes had {number(summary["old_before"], 2)} before and have {number(summary["old_after"], 2)} '
        f'now; they {agreement}.'
    )


def judging_lines(summary: Mapping[str, Any]) -> list[str]:
    """Says on which test set each class is measured, and what the labels of that set cannot tell."""
    judged: dict[str | None, list[str]] = {}
    for item in summary['classes']:
        judged.setdefault(item['judged_on'], []).append(item['name'])
    without = judged.pop(None, [])
    lines = []
    for key, classes in judged.items():
        found = summary['sets'][key]
        few = ' With so few images, an IoU is a rough guide.' if found['images'] < FEW_IMAGES else ''
        lines.append(f'Judged on the {found["images"]} {found["title"]}: {names(classes)}.{few}')
    if without:
        lines.append(f'No test image has a pixel labelled as {names(without)}: these have no IoU and are in no mean.')
    if len(judged) > 1:
        lines.append(
            'A class is judged only where it is labelled. So the means of old and new classes stand on different '
            'images, and there is no mean over all.'
        )
    return [*lines, *(line for found in summary['sets'].values() for line in _what_labels_cannot_tell(found, summary))]


def _what_labels_cannot_tell(found: Mapping[str, Any], summary: Mapping[str, Any]) -> list[str]:
    lines = []
    if found['open_pixels']:
        missing = [item['name'] for item in summary['classes'] if item['name'] not in found['labelled']]
        background = summary['classes'][0]['name']
        lines.append(
            f'The {found["title"]} do not label {names(missing)}: such an object is {background!r} in their masks. '
            f'The extended model sees one in {number(found["open_share"], 2)} % of the pixels labelled {background!r}. '
            f'These labels cannot tell whether it is right, so the pixels are left out; counted as mistakes, '
            f'{background} has {number(found["background_if_wrong"], 2)} instead of '
            f'{number(found["classes"][0]["after"], 2)}.'
        )
    means = [(found[f'mean_{when}'], found[f'plain_mean_{when}']) for when in ('before', 'after')]
    if any(mean is not None and number(mean, 2) != number(plain, 2) for mean, plain in means):
        before = '' if means[0][0] is None else f'{number(means[0][1], 2)} before and '
        lines.append(
            f"MMSegmentation's mIoU over the classes that the {found['title']} label is {before}"
            f'{number(means[1][1], 2)} after: it counts what is left out here as mistakes, and a class that no pixel '
            f'shows as 0 once the model predicts it.'
        )
    return lines


def _kept(summary: Mapping[str, Any]) -> str:
    num_old, total, sets = summary['num_old'], len(summary['classes']), summary['sets']
    rows = [
        [
            item['id'],
            f'**{item["name"]}** (new)' if item['new'] else item['name'],
            sets[item['judged_on']]['title'] if item['judged_on'] else EMPTY,
            *(number(item[key], 2) for key in ('before', 'after', 'agreement')),
        ]
        for item in summary['classes']
    ]
    for title, means in (('old', ('old_before', 'old_after', 'agreement')), ('new', (None, 'new_after', None))):
        rows.append(['', f'mean of the {title}', '', *(number(summary[key] if key else None, 2) for key in means)])
    parts = [
        (
            f'Old classes keep their ids, 0 to {num_old - 1}; new ones have {num_old} to {total - 1}. '
            f'`model_config.py` and `model.pth` are plain MMSegmentation: they need no mmciss.'
        ),
        table(['id', 'class', 'judged on', 'IoU before', 'IoU after', 'agreement'], rows, text_columns=3),
        '*agreement*: IoU of the two models where no new class is labelled; the old model counts as true there.',
    ]
    for key, found in sets.items():
        rows = [
            [item['id'], item['name'], number(item['before'], 2), number(item['after'], 2)]
            for item in found['classes']
            if item['after'] is not None and summary['classes'][item['id']]['judged_on'] != key
        ]
        if rows:
            parts.append(f'Also labelled in the {found["images"]} {found["title"]}:')
            parts.append(table(['id', 'class', 'IoU before', 'IoU after'], rows, text_columns=2))
    return '\n\n'.join(parts)


def plot_classes(summary: Mapping[str, Any]) -> Figure:
    """Draws bars of the IoU before and after per class, or of the agreement for old classes that are not measured."""
    key, title = ('after', 'IoU (%)') if summary['measured'] else ('agreement', 'IoU, of old classes agreement (%)')
    items = [(item, item['after' if item['new'] else key]) for item in summary['classes']]
    shown = [(item, value) for item, value in items if value is not None][:MOST_CLASSES]
    figure = new_figure(5.6, 0.7 + 0.3 * max(1, len(shown)))
    with style():
        axes = figure.subplots()
        for row, (item, value) in enumerate(shown):
            place = row if item['before'] is None else row + 0.18
            if item['before'] is not None:
                axes.barh(row - 0.18, item['before'], 0.34, color=FAINT)
            axes.barh(place, value, 0.34, color=NEW if item['new'] else OLD)
            axes.text(max(value, item['before'] or 0) + 1, place, f'{value:.1f}', va='center', fontsize=7)
        axes.set_yticks(range(len(shown)), [item['name'] for item, _ in shown])
        axes.invert_yaxis()
        axes.set_xlim(0, 108)
        axes.set_xlabel(title)
        kinds = {'old model': FAINT, 'extended, old class': OLD, 'extended, new class': NEW}
        handles = [Patch(color=color, label=label) for label, color in kinds.items()]
        axes.legend(handles=handles, fontsize=7, loc='lower center', bbox_to_anchor=(0.5, 1.0), ncols=3)
    return figure


def plot_confusion(summary: Mapping[str, Any]) -> Figure:
    """Draws the share of each true class that is predicted as each class, with a line between old and new."""
    counts, num_old, num_classes = np.asarray(summary['confusion']), summary['num_old'], len(summary['classes'])
    labels = [*(item['name'] for item in summary['classes']), 'not labelled']
    totals = counts.sum(1)
    frequent = [index for index in np.argsort(-totals)[:MOST_CLASSES] if totals[index]]
    # The figure is about new classes and the pixels that are none of them.
    rows = sorted({*frequent, *(index for index in range(num_old, len(labels)) if totals[index])})
    columns = sorted({*(index for index in rows if index < num_classes), *range(num_old, num_classes)})
    share = 100 * counts[np.ix_(rows, columns)] / np.maximum(1, totals[rows])[:, None]
    figure = new_figure(1.8 + 0.36 * len(columns), 1.2 + 0.32 * len(rows))
    with style():
        axes = figure.subplots()
        draw_cells(axes, np.where(share < 0.5, np.nan, share), annotate=True)
        axes.set_xticks(range(len(columns)), [labels[index] for index in columns], rotation=60, ha='right', fontsize=7)
        axes.set_yticks(range(len(rows)), [labels[index] for index in rows], fontsize=7)
        axes.axvline(sum(index < num_old for index in columns) - 0.5, color=NEW, linewidth=1)
        axes.set_xlabel('the extended model says')
        axes.set_ylabel('true class')
    return figure
