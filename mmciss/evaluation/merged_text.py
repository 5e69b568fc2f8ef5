"""The text of the report of several runs side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mmciss.errors import names
from mmciss.evaluation.markdown import EMPTY, number, ordinal, spread, table
from mmciss.evaluation.published import method_key
from mmciss.evaluation.published_ranking import FAR
from mmciss.evaluation.report_text import (
    CONVENTION_TITLES,
    SCORES,
    SHORT,
    TRUST,
    conventions,
    joined,
    literature_table,
    published_row,
    score_titles,
    titled,
)

RANKING = 'The ranking beside the published one'
FAILED = 'Runs that failed'
OTHER_METHODS = 'Published results of other methods on this protocol'


def merged_text(problems: Sequence[Mapping[str, Any]], figures: Sequence[str]) -> str:
    """Writes the report of several runs: a section with a figure for each problem, as ``merge_runs`` returns them."""
    parts = ['# Results']
    for problem, figure in zip(problems, figures, strict=True):
        text = merged_parts(problem)
        parts += [f'## {problem["problem"]}', text['methods'], f'![{problem["problem"]}]({figure})', text['notes']]
        parts.append(f'### {RANKING}\n\n{text["ranking"]}' if text['ranking'] else '')
        parts.append(f'### Beside the published numbers\n\n{text["published"]}' if text['published'] else '')
        title = f'<details><summary>{OTHER_METHODS}</summary>'
        parts.append(f'{title}\n\n{text["others"]}\n\n</details>' if text['others'] else '')
    return joined([*parts, unfinished_text(problems), titled(FAILED, failed_text(problems))])


def merged_parts(problem: Mapping[str, Any]) -> dict[str, str]:
    """Returns the Markdown about several runs of one problem: its parts by name, of which some may be empty."""
    return {
        'methods': _methods(problem),
        'notes': '\n\n'.join(problem['notes']),
        'ranking': _ranking(problem['ranking']),
        'published': _methods_beside_published(problem),
        'others': _other_methods(problem),
    }


def unfinished_text(problems: Sequence[Mapping[str, Any]]) -> str:
    """Names the runs that are in no mean, and those that failed; empty if there are none."""
    unfinished = problems[0]['unfinished']
    failed = [f'{note["name"]} ({note["reason"]})' for note in problems[0]['failed']]
    left_out = f'Left out because they are not finished: {"; ".join(unfinished)}.' if unfinished else ''
    return '\n\n'.join(filter(None, [left_out, f'**Failed: {"; ".join(failed)}.**' if failed else '']))


def failed_text(problems: Sequence[Mapping[str, Any]]) -> str:
    """Shows the ends of the logs of runs that failed; empty if there are none."""
    parts = []
    for note in problems[0]['failed']:
        lines = [f'    {line}' for line in note['lines']] or ['    (nothing)']
        parts += [f'`{note["name"]}`: {note["reason"]}. The end of `{note["log"]}`:', '\n'.join(lines)]
    return '\n\n'.join(parts)


def headline(problems: Sequence[Mapping[str, Any]]) -> str:
    """Returns the tables of several runs alone, for a terminal."""
    tables = [f'## {problem["problem"]}\n\n{_methods(problem)}' for problem in problems]
    return '\n\n'.join(filter(None, [*tables, unfinished_text(problems)]))


def _methods(problem: Mapping[str, Any]) -> str:
    """Writes a row per method: mean and deviation over its runs."""
    plain = ('old', 'all') if problem['counts_background'] else ()
    header = ['mean IoU (%)', 'runs', *score_titles(problem).values(), *(f'{key} w/o bg' for key in plain)]
    rows = []
    for row in problem['rows']:
        scores, without = row['scores'][problem['headline']], row['scores']['without_background']
        cells = [*(scores[key] for key in SCORES), *(without[key] for key in plain)]
        rows.append([row['name'], row['n'], *map(_cell, cells)])
    note = f'Mean ± sample standard deviation over runs, after the last step. {_seeds(problem)}.'
    if problem['background'] and not problem['counts_background']:
        note += ' The data set has no background class; the channel of that name is not counted.'
    if problem['counts_background']:
        note += ' The counts include the background; the columns w/o bg leave it out.'
    return '\n\n'.join([table(header, rows), note])


def _cell(score: Mapping[str, Any]) -> str:
    return spread(score['mean'], score['std'])


def _seeds(problem: Mapping[str, Any]) -> str:
    """Says which seeds and class orders the methods ran with."""
    methods: dict[str, list[str]] = {}
    for row in problem['rows']:
        what = f'seeds {names(list(map(str, row["seeds"])))}, class orders {names(row["orders"])}'
        methods.setdefault(what, []).append(row['name'])
    return '; '.join(f'{names(found, 20)}: {what}' for what, found in methods.items())


def _ranking(ranking: Mapping[str, Any] | None) -> str:
    """Lists the methods with a published number by their places here and there, and says how well these agree."""
    if ranking is None:
        return ''
    columns = ('name', 'source', 'all', 'place', 'published', 'published_place')
    header = ['method', 'published by', 'all', 'place', 'published all', 'its place']
    rows = [
        [number(value) if isinstance(value, float) else value for value in map(item.get, columns)]
        for item in ranking['methods']
    ]
    groups = {'all': 'methods', 'models_background': 'that model the background'}
    found = [
        f'{number(ranking["correlation"][key], 2)} for the {ranking["n"][key]} {title}'
        for key, title in groups.items()
        if ranking['correlation'][key] is not None
    ]
    lines = [table(header, rows, text_columns=2)]
    if found:
        lines.append(f"**Spearman's rank correlation with {ranking['reference']}, as published: {', '.join(found)}.**")
    far = [
        f'{item["name"]} is {ordinal(item["place"])} here and {ordinal(item["published_place"])} there'
        for item in ranking['methods']
        if item['far']
    ]
    if far:
        lines.append(f'More than {FAR} places apart: {"; ".join(far)}.')
    lines.append(
        'Of several published numbers, one that counts the background and the most trusted; natural class order. Joint '
        'training is not ranked; of several rows of a method the best is.'
    )
    return '\n\n'.join(lines)


def _methods_beside_published(problem: Mapping[str, Any]) -> str:
    """Lists every method's published rows below its own."""
    literature = [row for row in problem['published'] if row['ours']]
    if not literature:
        return ''
    rows: list[Sequence[Any]] = []
    for row in problem['rows']:
        for name in conventions(problem):
            title = CONVENTION_TITLES[name] if problem['background'] else EMPTY
            rows.append([f'**{row["name"]}**', 'ours', title, *(_cell(row['scores'][name][key]) for key in SHORT)])
        key = method_key(row['method'])
        rows += [published_row(found) for found in literature if method_key(found['method']) == key]
    note = f'Published: natural class order. {TRUST}'
    return f'{literature_table(rows)}\n\n{note}'


def _other_methods(problem: Mapping[str, Any]) -> str:
    others = sorted((row for row in problem['published'] if not row['ours']), key=lambda row: -row['all'])
    if not others:
        return ''
    return literature_table([published_row(row) for row in others])
