"""What determines a run apart from its seed and class order, and how runs of one method differ in it."""

from __future__ import annotations

import json
import string
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from mmciss.evaluation.run_record import RunRecord
from mmciss.protocols.class_orders import describe_order

SAME_METHOD = (
    *('label_policy', 'method', 'steps', 'model', 'optim_wrapper', 'param_scheduler'),
    *('train_pipeline', 'test_pipeline', 'global_batch'),
)
"""Results are averaged over runs in which these are equal; seed, class order and what follows from them may differ."""


def recipe(record: RunRecord) -> dict[str, str]:
    """Returns what determines a run apart from its seed and class order, as JSON by key."""
    experiment = record.info.get('experiment')
    if not experiment:
        return {'model': json.dumps(record.info.get('model'))}
    return {key: json.dumps(experiment.get(key), sort_keys=True) for key in SAME_METHOD}


def by_method(records: Sequence[RunRecord]) -> dict[str, list[RunRecord]]:
    """Groups runs by method.

    Returns:
        Runs by name; runs of one name but different recipes become ``'MiB (steps.later.lr=0.01)'`` if a single number
        differs, else ``'MiB (a)'``, ``'MiB (b)'``.
    """
    found: dict[str, dict[tuple[Any, ...], list[RunRecord]]] = defaultdict(lambda: defaultdict(list))
    for record in records:
        found[record.method][tuple(recipe(record).items())].append(record)
    return {
        f'{name}{variant}': runs
        for name, variants in found.items()
        for variant, runs in zip(_variants([dict(key) for key in variants]), variants.values(), strict=True)
    }


def _variants(recipes: Sequence[Mapping[str, str]]) -> list[str]:
    """Tells recipes apart by the number in which they differ, if it is one, else by letters."""
    if len(recipes) == 1:
        return ['']
    settings = [dict(_settings({key: json.loads(text) for key, text in found.items()})) for found in recipes]
    keys = dict.fromkeys(key for found in settings for key in found)
    differing = [key for key in keys if len({json.dumps(found.get(key)) for found in settings}) > 1]
    if len(differing) == 1 and all(isinstance(found.get(differing[0]), int | float) for found in settings):
        return [f' ({differing[0]}={found[differing[0]]})' for found in settings]
    return [f' ({string.ascii_letters[index % 52]})' for index in range(len(recipes))]


def _settings(value: Any, key: str = '') -> Iterator[tuple[str, Any]]:
    """Yields the innermost values of nested dictionaries by their dotted keys."""
    if not isinstance(value, Mapping):
        yield key, value
        return
    for name, inner in value.items():
        yield from _settings(inner, f'{key}.{name}' if key else str(name))


def recipe_notes(records: Sequence[RunRecord]) -> list[str]:
    """Says how the runs of one method differ, and which of them look like copies."""
    notes, methods = [], by_method(records)
    for name in dict.fromkeys(record.method for record in records):
        recipes = [recipe(record) for record in records if record.method == name]
        keys = [key for key in recipes[0] if len({found.get(key) for found in recipes}) > 1]
        if keys:
            notes.append(f'The runs of {name} differ in {", ".join(keys)} and are not averaged over that.')
    for name, runs in methods.items():
        repeated: dict[tuple[str, str], list[str]] = defaultdict(list)
        for run in runs:
            order = describe_order(run.info.get('order'))
            repeated[str(run.info.get('seed')), order].append(run.path.name)
        notes += [
            f'{name} ran {len(folders)} times with seed {seed} and class order {order} '
            f'({", ".join(folders)}); if these are copies, the deviation is too small.'
            for (seed, order), folders in repeated.items()
            if len(folders) > 1
        ]
    return notes
