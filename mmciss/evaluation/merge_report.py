"""Writes what several runs say together: a table and a figure per protocol."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mmciss.evaluation.comparison_plot import plot_comparison
from mmciss.evaluation.figure_style import save_figure
from mmciss.evaluation.markdown import EMPTY, names, number, spread, table
from mmciss.evaluation.merge import find_runs, merge_runs
from mmciss.evaluation.published import method_key
from mmciss.evaluation.report import csv_text, write_text
from mmciss.evaluation.report_markdown import CONVENTION_TITLES, TRUST, counted
from mmciss.utils.files import write_json

SCORES = ('old', 'new', 'all', 'harmonic', 'average', 'forgetting', 'backward_transfer')
SHORT = ('old', 'new', 'all', 'average')


def write_merged_report(paths: Sequence[str | Path], out: str | Path) -> tuple[Path, list[dict[str, Any]]]:
    """Merges runs and writes ``report.json``, ``report.csv``, ``report.md`` and ``figures/``.

    Args:
        paths: Run folders, or folders above them.
        out: The folder to write into.

    Returns:
        The path of ``report.md``, and the merged results.
    """
    out = Path(out)
    problems = merge_runs(find_runs(paths))
    write_json(out / 'report.json', problems)
    write_text(out / 'report.csv', merged_csv(problems))
    figures = []
    for problem in problems:
        slug = re.sub(r'[^a-z0-9]+', '_', problem['problem'].lower()).strip('_')
        name = f'figures/{slug}.png' if f'figures/{slug}.png' not in figures else f'figures/{slug}_{len(figures)}.png'
        save_figure(plot_comparison(problem), out / name)
        figures.append(name)
    write_text(out / 'report.md', merged_markdown(problems, figures))
    return out / 'report.md', problems


def merged_markdown(problems: Sequence[Mapping[str, Any]], figures: Sequence[str]) -> str:
    """Writes one section per problem: the runs, the figure, the published numbers."""
    parts = ['# Results']
    for problem, figure in zip(problems, figures):
        parts += [
            f'## {problem["problem"]}',
            _own_table(problem),
            f'![{problem["problem"]}]({figure})',
            *problem['notes'],
            _published_table(problem),
            _others_table(problem),
        ]
    if problems[0]['unfinished']:
        parts.append('Left out because they are not finished: ' + '; '.join(problems[0]['unfinished']) + '.')
    return '\n\n'.join(part for part in parts if part) + '\n'


def _own_table(problem: Mapping[str, Any]) -> str:
    old, new = problem['sizes'][0], sum(problem['sizes'][1:])
    old -= problem['background'] and not problem['counts_background']
    titles = {
        'old': f'old ({old})',
        'new': f'new ({new})',
        'all': f'all ({old + new})',
        'backward_transfer': 'backward transfer',
    }
    plain_scores = ('old', 'all') if problem['counts_background'] else ()
    header = [
        'mean IoU (%)',
        'runs',
        *(titles.get(key, key) for key in SCORES),
        *(f'{key} w/o bg' for key in plain_scores),
    ]
    rows = []
    for row in problem['rows']:
        scores, without = row['scores'][problem['headline']], row['scores']['without_background']
        rows.append(
            [
                row['name'],
                row['n'],
                *(_cell(scores[key]) for key in SCORES),
                *(_cell(without[key]) for key in plain_scores),
            ]
        )
    note = f'Mean ± sample standard deviation over runs, after the last step. {_seeds(problem)}.'
    if problem['background'] and not problem['counts_background']:
        note += ' The data set has no background class; the channel of that name is not counted.'
    if problem['counts_background']:
        note += ' The counts include the background; the columns w/o bg leave it out.'
    return '\n\n'.join([table(header, rows), note])


def _seeds(problem: Mapping[str, Any]) -> str:
    """Says which seeds and class orders the methods ran with."""
    methods: dict[str, list[str]] = {}
    for row in problem['rows']:
        what = f'seeds {names(list(map(str, row["seeds"])))}, class orders {names(row["orders"])}'
        methods.setdefault(what, []).append(row['name'])
    return '; '.join(f'{names(found, 20)}: {what}' for what, found in methods.items())


def headline(problems: Sequence[Mapping[str, Any]]) -> str:
    """Gives the tables of the runs alone, for a terminal."""
    return '\n\n'.join(f'## {problem["problem"]}\n\n{_own_table(problem)}' for problem in problems)


def _published_table(problem: Mapping[str, Any]) -> str:
    """Lays every method's published rows under its own."""
    literature = [row for row in problem['published'] if row['ours']]
    if not literature:
        return ''
    rows = []
    for row in problem['rows']:
        for convention, title in CONVENTION_TITLES.items():
            if problem['background'] or convention == 'without_background':
                rows.append(
                    [
                        f'**{row["name"]}**',
                        'ours',
                        title if problem['background'] else EMPTY,
                        *(_cell(row['scores'][convention][key]) for key in SHORT),
                    ]
                )
        rows += [_published_row(found) for found in literature if _matches(found, row)]
    return '\n\n'.join(
        ['### Beside the published numbers', _literature_table(rows), f'Published: natural class order. {TRUST}']
    )


def _others_table(problem: Mapping[str, Any]) -> str:
    others = sorted((row for row in problem['published'] if not row['ours']), key=lambda row: -row['all'])
    if not others:
        return ''
    return '\n\n'.join(
        [
            '<details><summary>Published results of other methods on this protocol</summary>',
            _literature_table([_published_row(row) for row in others]),
            '</details>',
        ]
    )


def _literature_table(rows: Sequence[Sequence[Any]]) -> str:
    return table(['method', 'source', 'counted', *SHORT], rows, text_columns=3)


def _published_row(row: Mapping[str, Any]) -> list[str]:
    source = '; '.join(filter(None, [f'{row["source"]} ({row["trust"]})', row['note']]))
    return [row['method'], source, counted(row['background']), *(number(row[key]) for key in SHORT)]


def _matches(found: Mapping[str, Any], row: Mapping[str, Any]) -> bool:
    return method_key(found['method']) == method_key(row['method'])


def _cell(score: Mapping[str, Any]) -> str:
    return spread(score['mean'], score['std'])


def merged_csv(problems: Sequence[Mapping[str, Any]]) -> str:
    """Gives one line per method, convention and origin (ours or a paper)."""
    header = ['benchmark', 'protocol', 'setting', 'method', 'model', 'origin', 'counted', 'runs', 'seeds', 'orders']
    header += [column for key in SCORES for column in (key, f'{key}_std')]
    rows: list[list[Any]] = []
    for problem in problems:
        place = [problem['benchmark'], problem['protocol'], problem['setting']]
        for row in problem['rows']:
            for convention, title in CONVENTION_TITLES.items():
                rows.append(
                    [
                        *place,
                        row['name'],
                        row['model'],
                        'ours',
                        title,
                        row['n'],
                        ' '.join(map(str, row['seeds'])),
                        ' '.join(row['orders']),
                        *(row['scores'][convention][key][part] for key in SCORES for part in ('mean', 'std')),
                    ]
                )
        for row in problem['published']:
            rows.append(
                [
                    *place,
                    row['method'],
                    None,
                    row['source'],
                    counted(row['background']),
                    None,
                    None,
                    'natural',
                    *(value for key in SCORES for value in (row.get(key), None)),
                ]
            )
    return csv_text(header, rows)
