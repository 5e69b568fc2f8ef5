"""The text of the report of one run."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from mmciss.errors import names
from mmciss.evaluation.markdown import EMPTY, duration, number, table
from mmciss.evaluation.scores import score_key
from mmciss.protocols.class_orders import describe_order

SCORES = ('old', 'new', 'all', 'harmonic', 'average', 'forgetting', 'backward_transfer')
SHORT = ('old', 'new', 'all', 'average')
CONVENTION_TITLES = {'with_background': 'with background', 'without_background': 'without background'}
TRUST = (
    'DeepLabV3 with ResNet-101 unless named otherwise. *official*: read in the repository of the method; '
    '*recalled*: from the paper, checked by arithmetic; *quoted*: from the tables of later papers.'
)


def run_text(report: Mapping[str, Any], figures: Sequence[str], sections: Sequence[Mapping[str, Any]] = ()) -> str:
    """Writes the report of one run out of ``report.json``; paths of figures are relative to the report.

    Further sections have a ``title``, ``text`` and ``figures``, the paths of theirs.
    """
    parts = run_parts(report)
    lines = [f'# {report["run"]["title"]}', parts.pop('lead'), titled('Result', parts.pop('Result'))]
    lines += [*map(_picture, figures), titled('What went wrong', _diagnosis(report))]
    literature, setup = (titled(title, parts.pop(title)) for title in ('Beside the published numbers', 'What was run'))
    lines += [titled(title, text) for title, text in parts.items()]
    for section in sections:
        lines += [f'## {section["title"]}', section['text'], *map(_picture, section['figures'])]
    return joined([*lines, literature, setup])


def run_parts(report: Mapping[str, Any]) -> dict[str, str]:
    """Returns the Markdown of a run's report: its ``lead``, then its sections by title, empty ones too."""
    return {
        'lead': _lead(report),
        'Result': _headline(report),
        'Step by step': _steps(report),
        'Other metrics': _metrics(report),
        'IoU of every class after every step': _classes(report),
        'Beside the published numbers': _beside_published(report),
        'What was run': _setup(report),
    }


def titled(title: str, text: str) -> str:
    """Returns a section of a report, empty without a text."""
    return f'## {title}\n\n{text}' if text else ''


def joined(parts: Sequence[str]) -> str:
    """Joins the parts of a report that are not empty."""
    return '\n\n'.join(part for part in parts if part) + '\n'


def _picture(path: str) -> str:
    return f'![{path.rsplit("/", 1)[-1].split(".")[0].replace("_", " ")}]({path})'


def _lead(report: Mapping[str, Any]) -> str:
    run, finished = report['run'], [step for step in report['steps'] if step['finished']]
    tested = 'held-out training images' if run['held_out'] else 'test images'
    facts = [
        run['model'],
        None if run['seed'] is None else f'seed {run["seed"]}',
        f'class order {describe_order(run["order"], 3)}' if run['order'] is not None else None,
        f'{finished[-1]["num_images"]} {tested}' if finished[-1]['num_images'] else None,
        f'{duration(sum(step["seconds"] or 0 for step in finished))} in all',
    ]
    text = ', '.join(str(fact) for fact in facts if fact) + '.'
    if not report['complete']:
        open_steps = ', '.join(str(step['step']) for step in report['steps'] if not step['finished'])
        text += (
            f'\n\n**Not finished: {len(finished)} of {report["num_steps"]} steps are done (missing: {open_steps}). '
            f'All numbers are those after step {report["last_step"]}.**'
        )
    return text


def score_titles(report: Mapping[str, Any]) -> dict[str, str]:
    """Returns the column title of every score, with the number of classes that the headline counts."""
    old, new = report['sizes'][0], sum(report['sizes'][1:])
    old -= report['background'] and not report['counts_background']
    titles = {'old': f'old ({old})', 'new': f'new ({new})', 'all': f'all ({old + new})'}
    return {name: titles.get(name, name.replace('_', ' ')) for name in SCORES}


def _headline(report: Mapping[str, Any]) -> str:
    titles = score_titles(report)
    rules = {'exclude': ''} | ({'zero': ', absent classes as 0'} if report['absent_classes'] else {})
    rows = [
        [CONVENTION_TITLES[name] + suffix, *(number(report['summary'][rule][name][key]) for key in SCORES)]
        for rule, suffix in rules.items()
        for name in conventions(report)
        if report['counts_background'] or name == 'without_background'
    ]
    notes = [
        (
            '*old*: the classes of step 0; *new*: all later ones. *average*: of *all* over the steps, step 0 included. '
            '*forgetting*: best IoU before the last step minus the final one. *backward transfer*: final IoU minus the '
            'IoU when the class was learned. Both are means over the classes learned before the last step.'
        )
    ]
    if report['background'] and not report['counts_background']:
        notes.append(
            'The data set has no background class. Channel 0 of the model, *background*, stands for what is '
            'unlabelled; headline and figures leave it out, `report.json` has means with it, too.'
        )
    elif report['background']:
        notes.append(
            f'The counts include the background. Papers differ: MiB leaves it out, PLOP and most later papers count it '
            f'as one of the {report["sizes"][0]} old classes.'
        )
    if report['absent_classes']:
        notes.append(
            f'Without ground truth in the test images: {", ".join(report["absent_classes"])}. Such classes are left '
            f'out of means (MiB, PLOP) unless the row says otherwise (DKD, SSUL).'
        )
    if report['notes']:
        notes.append('\n'.join(f'- {line}' for line in report['notes']))
    return joined([table(['mean IoU (%)', *titles.values()], rows), *notes]).rstrip()


def _diagnosis(report: Mapping[str, Any]) -> str:
    return '\n'.join(f'- Step {item["step"]}: {item["text"]} *{item["remedy"]}*' for item in report['diagnosis'])


def conventions(report: Mapping[str, Any]) -> list[str]:
    """Returns the conventions of counting that a report has means by."""
    return list(CONVENTION_TITLES) if report['background'] else ['without_background']


def _steps(report: Mapping[str, Any]) -> str:
    columns = {name: score_key(report, name) for name in ('old', 'new', 'all', 'before', 'current')}
    if report['counts_background']:
        columns |= {'old w/o bg': 'old_no_background', 'all w/o bg': 'all_no_background'}
    columns |= {'pixel accuracy': 'pixel_accuracy'}
    header = ['step', 'learns', *columns, 'train images', 'iterations', 'time']
    rows = []
    for step in report['steps']:
        cells = ['not finished'] + [''] * (len(header) - 3)
        if step['finished']:
            cells = [number(step[key]) for key in columns.values()]
            cells += [EMPTY if step[key] is None else step[key] for key in ('train_images', 'iterations')]
            cells.append(duration(step['seconds']))
        rows.append([step['step'], names(step['learns'], 5), *cells])
    note = '*before*: what was learned before this step; *current*: what it adds.'
    return f'{table(header, rows, text_columns=2)}\n\n{note}'


def _metrics(report: Mapping[str, Any]) -> str:
    """Writes the results of the metrics in the user's config."""
    columns = list(dict.fromkeys(name for step in report['steps'] for name in step.get('metrics') or {}))
    if not columns:
        return ''
    rows = [
        [step['step'], *(_measured((step.get('metrics') or {}).get(name)) for name in columns)]
        for step in report['steps']
    ]
    return table(['step', *columns], rows)


def _measured(value: Any) -> str:
    return number(value, 2) if value is None or isinstance(value, int | float) else str(value)


def _classes(report: Mapping[str, Any]) -> str:
    judged = {'judged on': report['judged_on']} if report['judged_on'] else {}
    header = ['class', 'learned at', *judged, *(f'step {step}' for step in range(len(report['iou']))), 'forgetting']
    rows = [
        [
            name,
            f'step {0 if report["run"]["joint"] else report["learned_at"][channel]}',
            *(values[channel] or EMPTY for values in judged.values()),
            *(number(row[channel]) for row in report['iou']),
            number(report['per_class']['forgetting'][channel]),
        ]
        for channel, name in enumerate(report['classes'])
    ]
    return table(header, rows)


def _beside_published(report: Mapping[str, Any]) -> str:
    if not report['published']:
        return ''
    own = report['summary']['exclude']
    rows = [
        ['**this run**', '', CONVENTION_TITLES[name], *(number(own[name][key]) for key in SHORT)]
        for name in conventions(report)
    ]
    rows += map(published_row, report['published'])
    return f'{literature_table(rows)}\n\n{TRUST}'


def counted(background: bool | None) -> str:
    """Says whether a published row counts the background."""
    return EMPTY if background is None else 'with background' if background else 'without background'


def published_row(row: Mapping[str, Any]) -> list[str]:
    """Returns the cells of a published result for :func:`literature_table`."""
    source = '; '.join(filter(None, [f'{row["source"]} ({row["trust"]})', row['note']]))
    return [row['method'], source, counted(row['background']), *(number(row[key]) for key in SHORT)]


def literature_table(rows: Sequence[Sequence[Any]]) -> str:
    """Returns the table of results of several sources."""
    return table(['method', 'source', 'counted', *SHORT], rows, text_columns=3)


def _setup(report: Mapping[str, Any]) -> str:
    experiment, run = report['experiment'], report['run']
    facts = {
        'method': experiment['method'] if isinstance(experiment['method'], dict) else run['method'],
        'model': run['model'],
        'data set': run['dataset'],
        'protocol': f'{run["protocol"]}, {run["setting"]}',
        'class order': describe_order(run['order']),
        'label policy': experiment['label_policy'],
        'seed': run['seed'],
        'batch over all processes': experiment['global_batch'],
        'processes': report['world_size'],
        'steps': experiment['steps'],
        'share of training images held out and tested on': run['held_out'] or None,
        'train images per step': experiment['images'],
        'iterations per step': experiment['iterations'],
        'split hash': experiment['split_hash'],
        'machine': report['machine'],
        **{f'version of {key}': value for key, value in report['versions'].items()},
    }
    rows = [
        [key, f'`{json.dumps(value)}`' if isinstance(value, dict | list) else value]
        for key, value in facts.items()
        if value is not None
    ]
    return table(['', ''], rows, text_columns=2)
