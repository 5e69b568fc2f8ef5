"""The report of one run for people to read."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from mmciss.evaluation.markdown import EMPTY, duration, names, number, table
from mmciss.evaluation.scores import score_key

COLUMNS = (
    ('old', 'old'),
    ('new', 'new'),
    ('all', 'all'),
    ('harmonic', 'harmonic'),
    ('average', 'average'),
    ('forgetting', 'forgetting'),
    ('backward_transfer', 'backward transfer'),
)
CONVENTION_TITLES = {'with_background': 'with background', 'without_background': 'without background'}

TRUST = (
    'DeepLabV3 with ResNet-101 unless named otherwise. *official*: read in the repository of the '
    'method; *recalled*: from the paper, checked by arithmetic; *quoted*: from the tables of later '
    'papers.'
)


def report_markdown(report: Mapping[str, Any], figures: Sequence[str]) -> str:
    """Writes ``report.md``.

    Args:
        report: The content of ``report.json``.
        figures: Paths of the figures, relative to the run folder.
    """
    run = report['run']
    parts = [f'# {run["title"]}', _lead(report), _headline(report)]
    parts += [f'![{path.rsplit("/", 1)[-1].split(".")[0].replace("_", " ")}]({path})' for path in figures]
    parts += [_steps(report), _classes(report), _published(report), _setup(report)]
    return '\n\n'.join(part for part in parts if part) + '\n'


def _lead(report: Mapping[str, Any]) -> str:
    run, finished = report['run'], [step for step in report['steps'] if step['finished']]
    facts = [
        run['model'],
        None if run['seed'] is None else f'seed {run["seed"]}',
        f'class order {run["order"]}' if run['order'] is not None else None,
        f'{finished[-1]["num_images"]} test images' if finished[-1]['num_images'] else None,
        f'{duration(sum(step["seconds"] or 0 for step in finished))} in all',
    ]
    text = ', '.join(str(fact) for fact in facts if fact) + '.'
    if not report['complete']:
        open_steps = [str(step['step']) for step in report['steps'] if not step['finished']]
        text += (
            f'\n\n**Not finished: {len(finished)} of {report["num_steps"]} steps are done '
            f'(missing: {", ".join(open_steps)}). All numbers are those after step '
            f'{report["last_step"]}.**'
        )
    return text


def _headline(report: Mapping[str, Any]) -> str:
    old, new = _counts(report)
    old -= report['background'] and not report['counts_background']
    header = ['mean IoU (%)'] + [
        {'old': f'old ({old})', 'new': f'new ({new})', 'all': f'all ({old + new})'}.get(key, title)
        for key, title in COLUMNS
    ]
    rules = {'exclude': ''} | ({'zero': ', absent classes as 0'} if report['absent_classes'] else {})
    rows = [
        [CONVENTION_TITLES[name] + suffix] + [number(report['summary'][rule][name][key]) for key, _ in COLUMNS]
        for rule, suffix in rules.items()
        for name in _conventions(report)
        if report['counts_background'] or name == 'without_background'
    ]
    notes = [
        '*old*: the classes of step 0; *new*: all later ones. *average*: of *all* over the steps, '
        'step 0 included. *forgetting*: best IoU before the last step minus the final one. '
        '*backward transfer*: final IoU minus the IoU when the class was learned. Both are means '
        'over the classes learned before the last step.'
    ]
    if report['background'] and not report['counts_background']:
        notes.append(
            'The data set has no background class. Channel 0 of the model, *background*, stands for '
            'what is unlabelled; headline and figures leave it out, `report.json` has means with it, too.'
        )
    elif report['background']:
        notes.append(
            f'The counts include the background. Papers differ: MiB leaves it out, PLOP and most '
            f'later papers count it as one of the {old} old classes.'
        )
    if report['absent_classes']:
        notes.append(
            f'Without ground truth in the test images: {", ".join(report["absent_classes"])}. '
            f'Such classes are left out of means (MiB, PLOP) unless the row says otherwise '
            f'(DKD, SSUL).'
        )
    return '\n\n'.join(['## Result', table(header, rows), *notes])


def _conventions(report: Mapping[str, Any]) -> list[str]:
    return list(CONVENTION_TITLES) if report['background'] else ['without_background']


def _counts(report: Mapping[str, Any]) -> tuple[int, int]:
    return report['sizes'][0], sum(report['sizes'][1:])


def _steps(report: Mapping[str, Any]) -> str:
    keys = [(score_key(report, name), name) for name in ('old', 'new', 'all', 'before', 'current')]
    plain_keys = (('old_no_background', 'old'), ('all_no_background', 'all')) if report['counts_background'] else ()
    header = [
        'step',
        'learns',
        *(title for _, title in keys),
        *(f'{title} w/o bg' for _, title in plain_keys),
        'pixels right',
        'train images',
        'iterations',
        'time',
    ]
    rows = []
    for step in report['steps']:
        if step['finished']:
            cells = [number(step[key]) for key, _ in (*keys, *plain_keys)] + [number(step['pixel_accuracy'])]
            cells += [EMPTY if step[key] is None else step[key] for key in ('train_images', 'iterations')]
            cells.append(duration(step['seconds']))
        else:
            cells = ['not finished'] + [''] * (len(header) - 3)
        rows.append([step['step'], names(step['learns'], 5), *cells])
    return '\n\n'.join(
        [
            '## Step by step',
            table(header, rows, text_columns=2),
            '*before*: what was learned before this step; *current*: what it adds.',
        ]
    )


def _classes(report: Mapping[str, Any]) -> str:
    per_class = report['per_class']
    header = ['class', 'learned at', *(f'step {step}' for step in range(len(report['iou']))), 'forgetting']
    rows = [
        [
            name,
            f'step {0 if report["run"]["joint"] else arrival}',
            *(number(row[channel]) for row in report['iou']),
            number(per_class['forgetting'][channel]),
        ]
        for channel, (name, arrival) in enumerate(zip(report['classes'], report['learned_at']))
    ]
    return '\n\n'.join(['## IoU of every class after every step', table(header, rows)])


def _published(report: Mapping[str, Any]) -> str:
    if not report['published']:
        return ''
    own = report['summary']['exclude']
    keys = ('old', 'new', 'all', 'average')
    rows = [
        ['**this run**', '', CONVENTION_TITLES[name], *(number(own[name][key]) for key in keys)]
        for name in _conventions(report)
    ]
    rows += [
        [
            row['method'],
            '; '.join(filter(None, [f'{row["source"]} ({row["trust"]})', row['note']])),
            counted(row['background']),
            *(number(row[key]) for key in keys),
        ]
        for row in report['published']
    ]
    return '\n\n'.join(
        ['## Beside the published numbers', table(['method', 'source', 'counted', *keys], rows, text_columns=3), TRUST]
    )


def counted(background: bool | None) -> str:
    """Says in words whether a published row counts the background."""
    return {True: 'with background', False: 'without background'}.get(background, EMPTY)


def _setup(report: Mapping[str, Any]) -> str:
    experiment, run = report['experiment'], report['run']
    facts = {
        'method': experiment['method'] or run['method'],
        'model': run['model'],
        'data set': run['dataset'],
        'protocol': f'{run["protocol"]}, {run["setting"]}',
        'class order': run['order'] or 'natural',
        'label policy': experiment['label_policy'],
        'seed': run['seed'],
        'batch over all processes': experiment['global_batch'],
        'processes': report['world_size'],
        'steps': experiment['steps'],
        'train images per step': experiment['images'],
        'iterations per step': experiment['iterations'],
        'split hash': experiment['split_hash'],
        'machine': report['machine'],
        **{f'version of {key}': value for key, value in report['versions'].items()},
    }
    rows = [[key, _code(value)] for key, value in facts.items() if value is not None]
    return '\n\n'.join(['## What was run', table(['', ''], rows, text_columns=2)])


def _code(value: Any) -> str:
    return f'`{json.dumps(value)}`' if isinstance(value, dict | list) else str(value)
