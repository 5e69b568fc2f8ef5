"""Writes the report of a run folder: JSON, CSV, Markdown and figures."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mmciss.evaluation.contact_sheet import contact_sheet, read_samples
from mmciss.evaluation.figure_style import save_figure
from mmciss.evaluation.plots import plot_curves, plot_heatmap
from mmciss.evaluation.report_markdown import report_markdown
from mmciss.evaluation.run_record import RunRecord, read_run
from mmciss.evaluation.summary import summarize_run
from mmciss.utils.files import write_atomically, write_json

STEP_COLUMNS = (
    'old',
    'new',
    'all',
    'harmonic',
    'before',
    'current',
    'old_no_background',
    'all_no_background',
    'harmonic_no_background',
    'pixel_accuracy',
    'class_accuracy',
    'num_images',
    'train_images',
    'iterations',
    'seconds',
)


def write_report(path: str | Path, out: str | Path | None = None) -> Path:
    """Writes ``report.json``, ``report.csv``, ``report.md`` and ``figures/`` of a run.

    The run need not be finished.

    Args:
        path: The run folder.
        out: Where to write; the run folder itself if None.

    Returns:
        The path of ``report.md``.

    Raises:
        FileNotFoundError: If the folder is no run folder, or no step of it is finished.
    """
    record = read_run(path)
    if not record.started:
        raise FileNotFoundError(
            f'{record.path}: no step is finished yet (looked for step_*/result.json), so there is nothing to report'
        )
    out = record.path if out is None else Path(out)
    report = summarize_run(record)
    write_json(out / 'report.json', report)
    write_text(out / 'report.csv', report_csv(report))
    figures = _write_figures(record, report, out / 'figures')
    write_text(out / 'report.md', report_markdown(report, figures))
    return out / 'report.md'


def report_csv(report: Mapping[str, Any]) -> str:
    """Gives one line per step: its scores, then the IoU of every class; empty if undefined."""
    header = ['step', 'finished', 'learns', *STEP_COLUMNS, *(f'IoU {name}' for name in report['classes'])]
    rows = []
    for step in report['steps']:
        finished = step['finished']
        iou = report['iou'][step['step']] if finished else [None] * len(report['classes'])
        rows.append(
            [
                step['step'],
                int(finished),
                ' '.join(name.replace(' ', '_') for name in step['learns']),
                *(step.get(key) for key in STEP_COLUMNS),
                *iou,
            ]
        )
    return csv_text(header, rows)


def csv_text(header: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """Gives a table as CSV; floats with six digits, None as an empty cell."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator='\n')
    writer.writerow(header)
    writer.writerows([f'{cell:.6f}' if isinstance(cell, float) else cell for cell in row] for row in rows)
    return buffer.getvalue()


def write_text(path: Path, text: str) -> None:
    """Writes a text file atomically."""
    write_atomically(path, lambda temporary: temporary.write_text(text, encoding='utf-8'))


def _write_figures(record: RunRecord, report: Mapping[str, Any], folder: Path) -> list[str]:
    figures = {'heatmap.png': plot_heatmap(report), 'curves.png': plot_curves(report)}
    samples = read_samples(record)
    if samples:
        figures['contact_sheet.png'] = contact_sheet(samples, record.last)
    for name, figure in figures.items():
        save_figure(figure, folder / name)
    return [f'figures/{name}' for name in figures]
