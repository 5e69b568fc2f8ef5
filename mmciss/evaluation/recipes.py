"""Which runs may be averaged, and in which settings methods that stand in one table differ."""

from __future__ import annotations

import copy
import json
import string
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from mmengine.config import Config

from mmciss.errors import names
from mmciss.evaluation.run_record import RunRecord
from mmciss.protocols.class_orders import describe_order
from mmciss.utils.configs import merge_changes

SAME_METHOD = (
    *('label_policy', 'method', 'steps', 'model', 'optim_wrapper', 'param_scheduler'),
    *('train_pipeline', 'test_pipeline', 'global_batch'),
)
"""Results are averaged over runs in which these are equal; seed, class order and what follows from them may differ."""
MOST_SETTINGS = 3
"""If more settings below one key differ, the key alone is named."""
MOST_NAMES = 40
LONGEST_VALUE = 40
"""Longer values, counted in characters, are left out."""
NOT_SET = 'not set'


def recipe(record: RunRecord) -> dict[str, str]:
    """Returns what determines a run apart from its seed and class order, as JSON by key."""
    experiment = record.info.get('experiment')
    if not experiment:
        return {'model': json.dumps(record.info.get('model'))}
    return {key: json.dumps(experiment.get(key), sort_keys=True) for key in SAME_METHOD}


def trained_as(record: RunRecord) -> dict[str, str]:
    """Returns the recipe with a method's own settings at the place of those that they change.

    An optimizer is the same whether ``method.cfg`` or the config itself says so.
    """
    found = {key: json.loads(text) for key, text in recipe(record).items()}
    method = found.get('method')
    if not isinstance(method, dict):
        return recipe(record)
    base_slots = method.pop('base', None) or {}
    own = {'base': base_slots.pop('cfg', None), 'later': method.pop('cfg', None)}
    kept = [key for key in SAME_METHOD if key not in ('label_policy', 'method', 'steps')]
    steps = {}
    for name, changes in own.items():
        cfg = Config({key: copy.deepcopy(found[key]) for key in kept})
        merge_changes(cfg, changes)
        steps[name] = cfg.to_dict()
    for key in kept:
        base, later = steps['base'].pop(key), steps['later'].pop(key)
        found[key] = later if base == later else {'base': base, 'later': later}
    # What is left are keys that the record does not have, such as hooks.
    rest = {f'cfg.{name}': left for name, left in steps.items() if left}
    found['method'] = {**method, **({'base': base_slots} if base_slots else {}), **rest}
    return {key: json.dumps(value, sort_keys=True) for key, value in found.items()}


def by_method(records: Sequence[RunRecord]) -> dict[str, list[RunRecord]]:
    """Groups runs by method.

    Returns:
        Runs by name; runs of one name but different recipes become ``'MiB (steps.later.lr=0.01)'`` if a single number
        differs, else ``'MiB (a)'``, ``'MiB (b)'``.
    """
    found: dict[str, dict[tuple[Any, ...], list[RunRecord]]] = defaultdict(lambda: defaultdict(list))
    for record in records:
        found[record.method][tuple(trained_as(record).items())].append(record)
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
        recipes = [trained_as(record) for record in records if record.method == name]
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


def settings_note(records: Sequence[RunRecord]) -> list[str]:
    """Says which settings outside of the methods the methods of one table do not share, a sentence or none.

    A table compares methods if everything else is equal; where it is not, because every method was given the learning
    rate that suits it, the reader has to know. A method that ran with all the values of the others is not different
    from them, and joint training has no later steps.
    """
    by_key: dict[str, list[str]] = defaultdict(list)
    for setting, values in _values_of_methods(records).items():
        methods: dict[tuple[str, ...], list[str]] = defaultdict(list)
        for name, found in values.items():
            methods[tuple(sorted(found or {NOT_SET}))].append(name)
        if len(methods) > 1:
            by_key[setting.split('.')[0]].append(f'{setting}{_who_has_which(methods)}')
    parts = [
        ', '.join(settings) if len(settings) <= MOST_SETTINGS else f'{key} ({len(settings)} settings)'
        for key, settings in by_key.items()
    ]
    return [f'The methods were not run with the same settings. They differ in {", ".join(parts)}.'] if parts else []


def _values_of_methods(records: Sequence[RunRecord]) -> dict[str, dict[str, set[str]]]:
    """Returns the values, as JSON, that each method ran with, by setting and method; empty where a method has none."""
    settings = [
        (record, dict(_settings({key: json.loads(text) for key, text in recipe(record).items() if key != 'method'})))
        for record in records
    ]
    values: dict[str, dict[str, set[str]]] = {}
    for setting in dict.fromkeys(key for _, found in settings for key, value in found.items() if value is not None):
        asked = [pair for pair in settings if not (pair[0].joint and setting.startswith('steps.later'))]
        values[setting] = {record.method: set() for record, _ in asked}
        for record, found in asked:
            if found.get(setting) is not None:
                values[setting][record.method].add(json.dumps(found[setting]))
    return values


def _who_has_which(methods: Mapping[tuple[str, ...], Sequence[str]]) -> str:
    """Writes `` (0.002 for MiB, PLOP; 0.008 for AWT)``; nothing if a value is long."""
    if any(len(value) > LONGEST_VALUE for values in methods for value in values):
        return ''
    each = (f'{" and ".join(values)} for {names(found, MOST_NAMES)}' for values, found in methods.items())
    return f' ({"; ".join(each)})'
