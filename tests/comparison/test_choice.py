"""Choosing a value for every method by its scores on held-out images."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest

from mmciss.apis.compare import parse_args
from mmciss.comparison.choice import Choice, choice_lines, choice_options, chosen_values, found_scores
from mmciss.comparison.plan import Run
from mmciss.errors import ConfigError
from tests.comparison.fake_runs import finish_step, make_run
from tests.paths import ROOT
from tests.smoke import SMOKE

LR = 'steps.later.lr'


def arguments_of(*extra: str) -> list[str]:
    return [
        str(ROOT / SMOKE),
        '--methods',
        'mib',
        'plop',
        '--seeds',
        '3',
        '4',
        '--work-dir',
        'out',
        '--choose',
        LR,
        *extra,
    ]


def test_the_choice_has_every_value_one_seed_and_held_out_images() -> None:
    options = parse_args(arguments_of('0.1', '0.2', '--cfg-options', 'randomness.deterministic=True'))
    found = choice_options(options)
    assert found.vary == [LR, '0.1', '0.2'] and found.choose is None
    assert found.seeds == [3] and found.work_dir == str(Path('out', 'choice'))
    assert found.cfg_options == ['randomness.deterministic=True', 'protocol.holdout=0.2']
    assert options.seeds == [3, 4] and options.cfg_options == ['randomness.deterministic=True'], (
        'the runs that count stay as they were given'
    )


@pytest.mark.parametrize(
    ('extra', 'message'),
    [
        (['--cfg-options', 'protocol.holdout=0.3'], 'protocol.holdout: --choose holds out 0.2'),
        (['--choose', 'protocol.holdout', '0.1', '0.2'], 'protocol.holdout: --choose holds out 0.2'),
        (['--setting', 'domain'], 'domains have no training images to hold out'),
    ],
)
def test_images_that_cannot_be_held_out(extra: list[str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        choice_options(parse_args(arguments_of('0.1', '0.2', *extra)))


def test_what_was_chosen_stays_chosen(tmp_path: Path) -> None:
    choice = Choice(tmp_path, LR, ['0.1', '0.2'])
    choice.add({'mib': '0.1', 'plop 15-1': '0.2'})
    choice.add({'mib': '0.2', 'lwf': '0.2'})
    again = Choice(tmp_path, LR, ['0.1', '0.2', '0.3'])
    assert again.chosen == {'mib': '0.1', 'plop 15-1': '0.2', 'lwf': '0.2'}
    with pytest.raises(ConfigError, match='has 0.2 for .*, which is not among 0.1'):
        Choice(tmp_path, LR, ['0.1'])
    with pytest.raises(ConfigError, match='has what was chosen for steps.later.lr'):
        Choice(tmp_path, 'steps.later.iters', ['1'])


def run_with(path: Path, method: str, value: str, right: int, steps: int = 2) -> Run:
    """Makes a run whose last step has so many of ten pixels right, in both classes; of two steps, so many are done."""
    run = replace(make_run(path / f'{method}_{value}'), labels={'method': method, LR: value, 'seed': '0'})
    for step in range(steps):
        confusion = [[right, 10 - right], [10 - right, right]] if step else [[10]]
        finish_step(run.path, step, confusion=confusion, sizes=[1, 1][: step + 1])
    return run


def test_every_method_gets_the_value_with_the_best_last_step(tmp_path: Path) -> None:
    runs = [run_with(tmp_path, *row) for row in (('mib', '0.1', 5), ('mib', '0.2', 9), ('mib', '0.3', 9))]
    runs += [run_with(tmp_path, *row) for row in (('plop', '0.1', 8), ('plop', '0.2', 6), ('plop', '0.3', 9, 1))]
    runs += [run_with(tmp_path, 'lwf', '0.1', 5, 1)]
    scores = found_scores(runs, LR)
    assert scores['mib'] == pytest.approx({'0.1': 100 / 3, '0.2': 900 / 11, '0.3': 900 / 11})
    assert math.isnan(scores['plop']['0.3']), 'its last step is not done'
    assert chosen_values(scores) == {'mib': '0.2', 'plop': '0.1'}
    assert choice_lines(LR, scores)[1:] == [
        '  mib   0.1: 33.3   0.2: 81.8 *   0.3: 81.8',
        '  plop  0.1: 66.7 *   0.2: 42.9   0.3: –',
        '  lwf   0.1: –',
    ]
