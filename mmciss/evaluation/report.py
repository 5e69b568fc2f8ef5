"""Writes reports: JSON, CSV, Markdown, HTML and figures of one run, or of several."""

from __future__ import annotations

import csv
import io
import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from mmciss.evaluation.contact_sheet import Samples, contact_sheet, read_samples
from mmciss.evaluation.failed_runs import find_failures
from mmciss.evaluation.merge import find_runs, merge_runs
from mmciss.evaluation.merged_text import merged_text
from mmciss.evaluation.plots import plot_comparison, plot_curves, plot_heatmap, save_figure
from mmciss.evaluation.report_html import merged_page, run_page
from mmciss.evaluation.report_text import CONVENTION_TITLES, SCORES, counted, run_text
from mmciss.evaluation.result_checks import check_list
from mmciss.evaluation.run_record import RunRecord, read_run
from mmciss.evaluation.summary import summarize_run
from mmciss.utils.files import read_json, write_json, write_text

SECTIONS = 'sections.json'
STEP_COLUMNS = (
    *('old', 'new', 'all', 'harmonic', 'before', 'current'),
    *('old_no_background', 'all_no_background', 'harmonic_no_background', 'pixel_accuracy', 'class_accuracy'),
    *('num_images', 'train_images', 'iterations', 'seconds'),
)


@dataclass(frozen=True)
class Section:
    """A section of a run's report in addition to those that every report has.

    Attributes:
        title: Its heading.
        text: Markdown.
        figures: Figures by name, shown below the text.
    """

    title: str
    text: str = ''
    figures: Mapping[str, Figure] = field(default_factory=dict)


def write_report(path: str | Path, out: str | Path | None = None, sections: Sequence[Section] = ()) -> Path:
    """Writes ``report.json``, ``.csv``, ``.md``, ``.html`` and ``figures/`` of a run, which need not be finished.

    Args:
        path: The run folder.
        out: The folder to write into; the run folder itself if None.
        sections: More sections of ``report.md``. They are kept in the run folder, for the next time it is written.

    Returns:
        The path of ``report.md``.

    Raises:
        FileNotFoundError: If the folder is not a run folder, or has no finished step.
    """
    record = read_run(path)
    if not record.started:
        raise FileNotFoundError(
            f'{record.path}: no step is finished yet (looked for step_*/result.json), so there is nothing to report'
        )
    out = record.path if out is None else Path(out)
    report = summarize_run(record)
    write_json(out / 'report.json', report)
    write_text(out / 'report.csv', run_csv(report))
    samples = read_samples(record)
    figures = _write_figures(record, report, samples, out / 'figures')
    more = _sections(record.path, out, sections)
    write_text(out / 'report.html', run_page(report, samples, record.last, more, out))
    write_text(out / 'report.md', run_text(report, figures, more))
    return out / 'report.md'


def write_merged_report(paths: Sequence[str | Path], out: str | Path) -> tuple[Path, list[dict[str, Any]]]:
    """Merges runs, given as run folders or folders above them, and writes the same files.

    Returns:
        The path of ``report.md``, and the merged results.
    """
    out = Path(out)
    records = find_runs(paths)
    complete = {record.path for record in records if record.complete}
    problems = merge_runs(records, find_failures(paths, complete))
    write_json(out / 'report.json', problems)
    write_text(out / 'report.csv', merged_csv(problems))
    figures: list[str] = []
    for problem in problems:
        slug = re.sub(r'[^a-z0-9]+', '_', problem['problem'].lower()).strip('_')
        name = f'figures/{slug}.png' if f'figures/{slug}.png' not in figures else f'figures/{slug}_{len(figures)}.png'
        save_figure(plot_comparison(problem), out / name)
        figures.append(name)
    write_text(out / 'report.html', merged_page(problems, out))
    write_text(out / 'report.md', merged_text(problems, figures))
    return out / 'report.md', problems


def _write_figures(record: RunRecord, report: Mapping[str, Any], samples: Sequence[Samples], folder: Path) -> list[str]:
    figures = {'heatmap': plot_heatmap(report), 'curves': plot_curves(report)}
    if samples:
        figures['contact_sheet'] = contact_sheet(samples, record.last)
    return _save(figures, folder)


def _save(figures: Mapping[str, Figure], folder: Path) -> list[str]:
    for name, figure in figures.items():
        save_figure(figure, folder / f'{name}.png')
    return [f'figures/{name}.png' for name in figures]


def _sections(run: Path, out: Path, sections: Sequence[Section]) -> list[dict[str, Any]]:
    """Stores sections with the run; without any, returns those that were stored.

    Raises:
        ConfigError: If somebody changed the file by hand to what cannot be read.
    """
    if sections:
        figures = [_save(item.figures, run / 'figures') for item in sections]
        content = [
            {'title': item.title, 'text': item.text, 'figures': paths}
            for item, paths in zip(sections, figures, strict=True)
        ]
        write_json(run / SECTIONS, content)
    stored = read_json(run / SECTIONS)
    stored = [] if stored is None else stored
    check_list(run / SECTIONS, 'sections', stored, 'dictionaries of title, text and figures', _is_section)
    for path in (path for item in stored for path in item['figures']):
        if out.resolve() != run.resolve() and (run / path).is_file():
            (out / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(run / path, out / path)
    return stored


def _is_section(value: Any) -> bool:
    return (
        isinstance(value, dict)
        and set(value) == {'title', 'text', 'figures'}
        and isinstance(value['figures'], list)
        and all(re.fullmatch(r'figures/[\w-]+\.png', str(path)) for path in value['figures'])
    )


def run_csv(report: Mapping[str, Any]) -> str:
    """Returns one line per step: its scores, then the IoU of every class; empty if undefined."""
    header = ['step', 'finished', 'learns', *STEP_COLUMNS, *(f'IoU {name}' for name in report['classes'])]
    rows = []
    for step in report['steps']:
        finished = step['finished']
        iou = report['iou'][step['step']] if finished else [None] * len(report['classes'])
        learns = ' '.join(name.replace(' ', '_') for name in step['learns'])
        rows.append([step['step'], int(finished), learns, *map(step.get, STEP_COLUMNS), *iou])
    return csv_text(header, rows)


def merged_csv(problems: Sequence[Mapping[str, Any]]) -> str:
    """Returns one line per method, convention and origin (ours or a paper)."""
    header = ['benchmark', 'protocol', 'setting', 'method', 'model', 'origin', 'counted', 'runs', 'seeds', 'orders']
    header += [*(column for key in SCORES for column in (key, f'{key}_std')), 'held_out']
    rows: list[list[Any]] = []
    for problem in problems:
        place, held_out = [problem[key] for key in header[:3]], problem['held_out']
        for row in problem['rows']:
            for convention, title in CONVENTION_TITLES.items():
                scores = row['scores'][convention]
                seeds, orders = ' '.join(map(str, row['seeds'])), ' '.join(row['orders'])
                values = [scores[key][part] for key in SCORES for part in ('mean', 'std')]
                who = [row['name'], row['model'], 'ours', title, row['n'], seeds, orders]
                rows.append([*place, *who, *values, held_out])
        for row in problem['published']:
            values = [value for key in SCORES for value in (row.get(key), None)]
            source = [row['method'], None, row['source'], counted(row['background'])]
            rows.append([*place, *source, None, None, 'natural', *values, held_out])
    return csv_text(header, rows)


def csv_text(header: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """Returns a table as CSV; floats with six digits, None as an empty cell."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator='\n')
    writer.writerow(header)
    writer.writerows([f'{cell:.6f}' if isinstance(cell, float) else cell for cell in row] for row in rows)
    return buffer.getvalue()
