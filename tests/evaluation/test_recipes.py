"""Tests of mmciss.evaluation.recipes."""

from __future__ import annotations

import json
from pathlib import Path

from mmciss.evaluation.merge import find_runs, merge_runs
from mmciss.evaluation.report import write_merged_report
from mmciss.evaluation.run_record import read_run
from tests.evaluation.synthetic_run import write_run


def test_different_recipes_are_not_averaged(tmp_path: Path) -> None:
    write_run(tmp_path / 'a')
    write_run(tmp_path / 'b', model='SegformerHead + MixVisionTransformer', seed=1)
    (problem,) = merge_runs(find_runs([tmp_path]))
    assert sorted(row['name'] for row in problem['rows']) == ['MiB (a)', 'MiB (b)']
    assert problem['notes'] == ['The runs of MiB differ in model and are not averaged over that.']


def test_rows_of_one_method_are_told_apart_by_the_number_that_differs(tmp_path: Path) -> None:
    for seed, lr in ((0, 0.001), (1, 0.001), (0, 0.01)):
        write_run(tmp_path / f'{lr}_{seed}', seed=seed, later_lr=lr)
    (problem,) = merge_runs(find_runs([tmp_path]))
    rows = {row['name']: row['n'] for row in problem['rows']}
    assert rows == {'MiB (steps.later.lr=0.001)': 2, 'MiB (steps.later.lr=0.01)': 1}
    assert problem['notes'] == ['The runs of MiB differ in steps and are not averaged over that.']


def test_copies_are_pointed_out(tmp_path: Path) -> None:
    records = [read_run(write_run(tmp_path / name)) for name in ('a', 'b')]
    (problem,) = merge_runs(records)
    assert problem['rows'][0]['n'] == 2
    assert 'MiB ran 2 times with seed 0 and class order natural (a, b)' in problem['notes'][0]


def test_orders_are_averaged(tmp_path: Path) -> None:
    records = [read_run(write_run(tmp_path / str(order), order=order)) for order in (None, 'b')]
    (problem,) = merge_runs(records)
    assert problem['rows'][0]['orders'] == ['b', 'natural'] and not problem['notes']
    lists = [['a', 'b', 'c', 'd', 'e'], ['a', 'b', 'c', 'e', 'd']]
    records = [read_run(write_run(tmp_path / order[3], names=order, sizes=(4, 2), order=order)) for order in lists]
    (problem,) = merge_runs(records)
    assert problem['rows'][0]['orders'] == ['a, b, c, d, e', 'a, b, c, e, d'] and not problem['notes']


def test_settings_that_methods_do_not_share_are_named(tmp_path: Path) -> None:
    for method, lr in (('MiB', 0.01), ('PLOP', 0.001), ('LwF', 0.001)):
        write_run(tmp_path / method, method=method, later_lr=lr)
    write_run(tmp_path / 'joint', method='Joint', joint=True, later_lr=0.5)  # It has no later steps.
    path, (problem,) = write_merged_report([tmp_path], tmp_path / 'out')
    (note,) = problem['notes']
    differ = 'steps.later.lr (0.001 for LwF, PLOP; 0.01 for MiB)'
    assert note == f'The methods were not run with the same settings. They differ in {differ}.', (
        'joint has no later step'
    )
    assert note in path.read_text() and note in path.with_suffix('.html').read_text()


def test_a_method_that_ran_with_every_value_is_compared_fairly(tmp_path: Path) -> None:
    for method in ('MiB', 'PLOP'):
        for lr in (0.01, 0.001):
            write_run(tmp_path / f'{method}_{lr}', method=method, later_lr=lr)
    (problem,) = merge_runs(find_runs([tmp_path]))
    assert all('not run with the same' not in note for note in problem['notes'])


def test_another_network_is_named_without_its_settings(tmp_path: Path) -> None:
    for method in ('MiB', 'PLOP'):
        run = json.loads((write_run(tmp_path / method, method=method) / 'run.json').read_text())
        if method == 'PLOP':
            run['experiment']['model'] = {'type': 'Other', 'head': {'a': 1, 'b': 2, 'c': 3}}
            run['experiment']['optim_wrapper'] = {'type': 'long name ' * 10}
        (tmp_path / method / 'run.json').write_text(json.dumps(run))
    (problem,) = merge_runs(find_runs([tmp_path]))
    assert problem['notes'] == [
        'The methods were not run with the same settings. They differ in model (4 settings), optim_wrapper.type.'
    ]


def test_an_optimizer_is_the_same_wherever_it_was_set(tmp_path: Path) -> None:
    """The method's own settings and the config's are told apart by what they make of a step."""
    slow = {'optim_wrapper': {'paramwise_cfg': {'custom_keys': {'backbone': {'lr_mult': 0.1}}}}}
    methods = [{'name': 'MiB'}, {'name': 'MiB', 'cfg': slow, 'base': {'cfg': slow}}, {'name': 'MiB', 'cfg': slow}]
    for seed, method in enumerate(methods):
        run = json.loads((write_run(tmp_path / str(seed), seed=seed) / 'run.json').read_text())
        wrapper = {'type': 'OptimWrapper', 'paramwise_cfg': None} | (slow['optim_wrapper'] if seed == 0 else {})
        run['experiment'].update(method=method, optim_wrapper=wrapper)
        (tmp_path / str(seed) / 'run.json').write_text(json.dumps(run))
    (problem,) = merge_runs(find_runs([tmp_path]))
    assert {row['n'] for row in problem['rows']} == {1, 2}, 'two base steps are slow, too'
    assert problem['notes'][-1] == 'The runs of MiB differ in optim_wrapper and are not averaged over that.'
    (tmp_path / '2' / 'run.json').unlink()
    (problem,) = merge_runs(find_runs([tmp_path]))
    assert [(row['name'], row['n']) for row in problem['rows']] == [('MiB', 2)]


def test_a_method_s_other_settings_still_count(tmp_path: Path) -> None:
    for seed, hooks in enumerate(([], ['EMAHook'])):
        run = json.loads((write_run(tmp_path / str(seed), seed=seed) / 'run.json').read_text())
        run['experiment']['method'] = {'name': 'MiB', 'cfg': {'custom_hooks': hooks}}
        (tmp_path / str(seed) / 'run.json').write_text(json.dumps(run))
    (problem,) = merge_runs(find_runs([tmp_path]))
    assert len(problem['rows']) == 2
