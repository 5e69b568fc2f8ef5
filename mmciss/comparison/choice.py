"""Choosing a setting for every method on held-out training images, before any run is tested on the test images."""

from __future__ import annotations

import argparse
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean

from mmciss.comparison.plan import Run, kind_of
from mmciss.errors import ConfigError
from mmciss.evaluation.scores import headline_scores
from mmciss.protocols.build import setting_of
from mmciss.utils.files import read_json, write_json

HOLDOUT = 0.2
"""The share of the training images that is held out."""
FOLDER = 'choice'
"""Folder of the runs of the choice, in that of the comparison."""


def choice_options(options: argparse.Namespace) -> argparse.Namespace:
    """Returns the command line of the runs from which is chosen: every value, held-out images, the first seed.

    Args:
        options: The command line, see :func:`mmciss.apis.compare.parse_args`, with ``choose``.

    Raises:
        ConfigError: If images are held out otherwise, or none can be.
    """
    from mmciss.apis.train import config_from_args
    from mmciss.apis.train import parse_args as train_args

    changes = list(options.cfg_options or ())
    setting = ['--setting', options.setting] if options.setting else []
    given = ['--cfg-options', *changes] if changes else []
    protocol = config_from_args(train_args([options.config, '--method', options.methods[0], *setting, *given])).protocol
    if setting_of(protocol) == 'domain':
        raise ConfigError(
            '--choose: domains have no training images to hold out; choose with --vary on domains of yours'
        )
    if protocol.get('holdout') or options.choose[0] == 'protocol.holdout':
        raise ConfigError(
            f'protocol.holdout: --choose holds out {HOLDOUT:g} of the training images by itself, and the runs with '
            f'what was chosen learn from all of them; leave it out'
        )
    return argparse.Namespace(
        **{
            **vars(options),
            'choose': None,
            'vary': options.choose,
            'seeds': options.seeds[:1],
            'cfg_options': [*changes, f'protocol.holdout={HOLDOUT}'],
            'work_dir': str(Path(options.work_dir) / FOLDER),
        }
    )


class Choice:
    """What was chosen, kept in a file: runs that count must not change because more is known later.

    Args:
        work_dir: Folder of the comparison.
        key: The config key.
        values: Its values.

    Raises:
        ConfigError: If something else was chosen in this folder.
    """

    def __init__(self, work_dir: str | Path, key: str, values: Sequence[str]) -> None:
        self.path, self.key = Path(work_dir) / FOLDER / 'chosen.json', key
        found = read_json(self.path) or {'key': key, 'chosen': {}}
        if found['key'] != key:
            raise ConfigError(
                f'--choose {key}: {self.path} has what was chosen for {found["key"]}; use another --work-dir'
            )
        self.chosen: dict[str, str] = found['chosen']
        for kind, value in self.chosen.items():
            if value not in values:
                raise ConfigError(
                    f'--choose {key}: {self.path} has {value} for {kind}, which is not among '
                    f'{", ".join(values)}; add it, or use another --work-dir'
                )

    def add(self, found: Mapping[str, str]) -> None:
        """Adds what was chosen for further kinds, and writes the file."""
        self.chosen = {**found, **self.chosen}
        self.path.parent.mkdir(parents=True, exist_ok=True)
        write_json(self.path, {'key': self.key, 'chosen': self.chosen})


def found_scores(runs: Sequence[Run], key: str) -> dict[str, dict[str, float]]:
    """Returns ``all`` after the last step in percent, by kind and value, averaged over class orders.

    It is NaN where a run is not done.

    Args:
        runs: The runs of the choice.
        key: The config key.
    """
    found: dict[str, dict[str, list[float]]] = {}
    for run in runs:
        result = read_json(run.folder.step(run.steps - 1) / 'result.json') if run.is_done() else None
        score = headline_scores(result)[2] if isinstance(result, dict) else math.nan
        found.setdefault(kind_of(run.labels), {}).setdefault(run.labels[key], []).append(score)
    return {kind: {value: fmean(scores) for value, scores in values.items()} for kind, values in found.items()}


def chosen_values(scores: Mapping[str, Mapping[str, float]]) -> dict[str, str]:
    """Returns the value with the highest score for every kind, of equal ones the first; kinds without any are left out.

    Examples:
        >>> chosen_values({'mib': {'0.1': 50.0, '0.2': float('nan')}, 'plop': {'0.1': float('nan')}})
        {'mib': '0.1'}
    """
    known = {
        kind: {value: score for value, score in values.items() if math.isfinite(score)}
        for kind, values in scores.items()
    }
    return {kind: max(values, key=values.__getitem__) for kind, values in known.items() if values}


def choice_lines(key: str, scores: Mapping[str, Mapping[str, float]]) -> list[str]:
    """Returns a table of what was found, with a star at what is chosen, for a terminal."""
    chosen = chosen_values(scores)
    lines = [f'{key}, chosen (*) by the mean IoU of all classes after the last step, on held-out training images:']
    width = max(len(kind) for kind in scores)
    for kind, values in scores.items():
        cells = [
            f'{value}: {score:.1f}{" *" if chosen.get(kind) == value else ""}'
            if math.isfinite(score)
            else f'{value}: –'
            for value, score in values.items()
        ]
        lines.append(f'  {kind:<{width}}  {"   ".join(cells)}')
    return lines
