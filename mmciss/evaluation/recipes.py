"""Which runs of a method are repetitions of each other, so that their mean has a meaning."""

from __future__ import annotations

import json
import string
from collections import defaultdict
from collections.abc import Sequence

from mmciss.evaluation.run_record import RunRecord

SAME_METHOD = (
    'label_policy',
    'method',
    'steps',
    'model',
    'optim_wrapper',
    'param_scheduler',
    'train_pipeline',
    'test_pipeline',
    'global_batch',
)
"""What must be equal in two runs for their results to be averaged; seed, class order and what
follows from them may differ."""


def recipe(record: RunRecord) -> dict[str, str]:
    """Gives what decides a run besides its seed and class order, as JSON by key."""
    experiment = record.info.get('experiment')
    if not experiment:
        return {'model': str(record.info.get('model'))}
    return {key: json.dumps(experiment.get(key), sort_keys=True) for key in SAME_METHOD}


def by_method(records: Sequence[RunRecord]) -> dict[str, list[RunRecord]]:
    """Groups runs by method.

    Returns:
        Runs by name; runs of one name but different recipes become ``'MiB (a)'``, ``'MiB (b)'``.
    """
    found: dict[str, dict[tuple, list[RunRecord]]] = defaultdict(lambda: defaultdict(list))
    for record in records:
        found[record.method][tuple(recipe(record).items())].append(record)
    return {
        name if len(variants) == 1 else f'{name} ({string.ascii_letters[index % 52]})': runs
        for name, variants in found.items()
        for index, runs in enumerate(variants.values())
    }


def recipe_notes(records: Sequence[RunRecord]) -> list[str]:
    """Says in what the runs of one method differ, and which ones look like copies."""
    notes = []
    for name in dict.fromkeys(record.method for record in records):
        recipes = [recipe(record) for record in records if record.method == name]
        keys = [key for key in recipes[0] if len({found.get(key) for found in recipes}) > 1]
        if keys:
            notes.append(f'The runs of {name} differ in {", ".join(keys)} and are not averaged over that.')
    for name, runs in by_method(records).items():
        repeated: dict[tuple[str, str], list[str]] = defaultdict(list)
        for run in runs:
            order = str(run.info.get('order') or 'natural')
            repeated[str(run.info.get('seed')), order].append(run.path.name)
        notes += [
            f'{name} ran {len(folders)} times with seed {seed} and class order {order} '
            f'({", ".join(folders)}); if these are copies, the deviation is too small.'
            for (seed, order), folders in repeated.items()
            if len(folders) > 1
        ]
    return notes
