"""Merges runs: mean and standard deviation by protocol and method."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from mmciss.errors import ConfigError
from mmciss.evaluation.continual import old_new_all
from mmciss.evaluation.failed_runs import FILE
from mmciss.evaluation.published import method_key, published
from mmciss.evaluation.published_ranking import published_ranking
from mmciss.evaluation.recipes import by_method, recipe_notes, settings_note
from mmciss.evaluation.run_record import RunRecord, read_run
from mmciss.evaluation.summary import CONVENTIONS, plain, run_scores
from mmciss.protocols.class_orders import describe_order
from mmciss.utils.files import value_checksum

SAME_PROBLEM = ('benchmark', 'protocol', 'setting', 'held_out', 'background', 'counts_background')
"""Runs stand in one table if these are equal, and the classes and how many each step adds."""


def find_runs(paths: Sequence[str | Path]) -> list[RunRecord]:
    """Reads run folders, and those inside folders that contain some; runs that failed before they began are left out.

    Raises:
        FileNotFoundError: If there is no run folder at or below a path.
        ConfigError: If a run is given twice, or as a copy.
    """
    records: list[RunRecord] = []
    for path in map(Path, paths):
        inside = [] if (path / 'run.json').exists() else sorted(found.parent for found in path.glob('**/run.json'))
        if inside or (path / 'run.json').exists() or not (path / FILE).exists():
            records += [read_run(folder) for folder in inside or [path]]
    if not records:
        raise FileNotFoundError(f'no run has begun in {", ".join(map(str, paths))}')
    resolved = [record.path.resolve() for record in records]
    twice = sorted(
        {str(record.path) for record, path in zip(records, resolved, strict=True) if resolved.count(path) > 1}
    )
    if twice:
        raise ConfigError(f'given twice: {", ".join(twice)}. Every run counts once in a mean.')
    check_no_copies(records)
    return records


def check_no_copies(records: Sequence[RunRecord]) -> None:
    """Refuses two folders that hold the same run: experiment, seed and results are equal.

    Raises:
        ConfigError: Naming both folders.
    """
    seen: dict[str, RunRecord] = {}
    for record in records:
        results = [result and [result['classes'], result['confusion']] for result in record.results]
        if not any(results):
            continue
        content = value_checksum([*map(record.info.get, ('method', 'experiment', 'seed')), results])
        first = seen.setdefault(content, record)
        if first is not record:
            raise ConfigError(
                f'{record.path}: the same run as {first.path}: experiment, seed and all confusion matrices are '
                f'equal. Every run counts once in a mean; leave one of the two out.'
            )


def merge_runs(records: Sequence[RunRecord], failed: Sequence[Mapping[str, Any]] = ()) -> list[dict[str, Any]]:
    """Merges runs; protocols are never mixed. Incomplete runs are named, and left out of all means.

    Args:
        records: The runs.
        failed: Which of the incomplete ones failed, see :func:`.failed_runs.find_failures`.

    Returns:
        One dictionary of plain values per problem (data set and classes, protocol, setting): ``rows`` with one entry
        per method, ``unfinished``, ``failed``, ``published`` and ``ranking`` (see
        :func:`.published_ranking.published_ranking`).

    Raises:
        ConfigError: If no run is complete.
    """
    complete = [record for record in records if record.started and record.complete]
    if not complete:
        missing = '; '.join(f'{record.path} has {record.progress}' for record in records)
        raise ConfigError(f'no run is complete, so there is nothing to merge: {missing}')
    groups: dict[tuple[Any, ...], list[RunRecord]] = defaultdict(list)
    for record in complete:
        key = tuple(getattr(record, name) for name in SAME_PROBLEM)
        groups[(*key, record.sizes, frozenset(record.foreground))].append(record)
    unfinished = [
        f'{record.path.name} ({record.method} on {record.problem}): {record.progress}'
        for record in records
        if record not in complete
    ]
    left_out = {'unfinished': unfinished, 'failed': list(failed)}
    return [plain(_merge_group(group) | left_out) for group in groups.values()]


def _merge_group(records: Sequence[RunRecord]) -> dict[str, Any]:
    first = records[0]
    rows = [_merge_method(name, runs) for name, runs in by_method(records).items()]
    problem = (first.benchmark, first.protocol, first.setting)
    headline = 'with_background' if first.counts_background else 'without_background'
    rows.sort(key=lambda row: -row['scores'][headline]['all']['mean'])
    literature = () if first.held_out else published(*problem)
    keys = {method_key(record.method) for record in records}
    finals = [{**row, 'all': row['scores'][headline]['all']['mean']} for row in rows]
    images = sorted({record.last.get('num_images') or 0 for record in records})
    notes = [*settings_note(records), *recipe_notes(records)]
    if len(images) > 1:
        notes.insert(0, f'The runs were tested on different numbers of images: {", ".join(map(str, images))}.')
    return {
        'problem': first.problem,
        **{name: getattr(first, name) for name in SAME_PROBLEM},
        'sizes': list(first.sizes),
        'headline': headline,
        'num_steps': len(first.sizes),
        'rows': rows,
        'notes': notes,
        'ranking': None if first.held_out else published_ranking(finals, problem),
        'published': [asdict(row) | {'note': row.note, 'ours': method_key(row.method) in keys} for row in literature],
    }


def _merge_method(name: str, runs: Sequence[RunRecord]) -> dict[str, Any]:
    scores = {
        convention: _statistics([run_scores(run, count) for run in runs]) for convention, count in CONVENTIONS.items()
    }
    curves = [
        [old_new_all(row, run.sizes, run.background, run.counts_background)['all'] for row in run.iou()] for run in runs
    ]
    return {
        'name': name,
        'method': runs[0].method,
        'model': runs[0].info.get('model'),
        'n': len(runs),
        'joint': runs[0].joint,
        'runs': [run.path.name for run in runs],
        'run_seeds': [run.info.get('seed') for run in runs],
        'run_orders': [describe_order(run.info.get('order'), 3) for run in runs],
        'seeds': sorted({run.info['seed'] for run in runs if run.info.get('seed') is not None}),
        'orders': sorted({describe_order(run.info.get('order')) for run in runs}),
        'scores': scores,
        'curve': {'mean': np.mean(curves, axis=0), 'std': _deviation(np.asarray(curves)), 'values': curves},
    }


def _statistics(summaries: Sequence[Mapping[str, float]]) -> dict[str, dict[str, Any]]:
    """Returns mean, sample standard deviation (NaN for one run) and the values of every score."""
    out = {}
    for key in summaries[0]:
        values = np.array([summary[key] for summary in summaries], dtype=np.float64)
        out[key] = {'mean': values.mean(), 'std': _deviation(values), 'values': values}
    return out


def _deviation(values: np.ndarray) -> np.ndarray:
    return values.std(axis=0, ddof=1) if len(values) > 1 else np.full(values.shape[1:], np.nan)
