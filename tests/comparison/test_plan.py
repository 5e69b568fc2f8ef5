"""Which runs a command line asks for, and what they share."""

from __future__ import annotations

from pathlib import Path

from mmciss.apis.compare import parse_args
from mmciss.apis.train import config_from_args
from mmciss.apis.train import parse_args as train_args
from mmciss.comparison.plan import plan_runs
from tests.paths import ROOT
from tests.smoke import SMOKE

CONFIG = str(ROOT / SMOKE)


def test_methods_and_seeds_share_the_base_steps_that_are_equal(tmp_path: Path) -> None:
    runs = plan_runs(
        parse_args([CONFIG, '--methods', 'finetuning', 'mib', 'ssul', '--seeds', '0', '1', '--work-dir', str(tmp_path)])
    )
    assert [run.name for run in runs] == [
        'finetuning_seed0',
        'finetuning_seed1',
        'mib_seed0',
        'mib_seed1',
        'ssul_seed0',
        'ssul_seed1',
    ]
    base = {run.name: run.base for run in runs}
    assert base['finetuning_seed0'] == base['mib_seed0'] != base['mib_seed1']
    assert base['ssul_seed0'] not in (base['mib_seed0'], base['ssul_seed1'])
    assert (runs[0].iterations, runs[0].test_images, runs[0].batch_size) == ((6, 4), (10, 10), 4)
    assert not list(tmp_path.iterdir())


def test_protocols_and_orders_are_part_of_the_grid(tmp_path: Path) -> None:
    runs = plan_runs(
        parse_args(
            [CONFIG, '--methods', 'mib', '--protocols', '15-5', '19-1', '--orders', '1', '--work-dir', str(tmp_path)]
        )
    )
    assert [run.name for run in runs] == ['mib_15-5_order1_seed0', 'mib_19-1_order1_seed0']
    assert dict(runs[1].labels) == {'method': 'mib', 'protocol': '19-1', 'order': '1', 'seed': '0'}
    assert [train_args(run.arguments).protocol for run in runs] == ['15-5', '19-1']


def test_a_setting_can_vary_on_held_out_training_images(tmp_path: Path) -> None:
    arguments = [CONFIG, '--methods', 'mib', 'lwf', '--work-dir', str(tmp_path)]
    arguments += ['--cfg-options', 'protocol.holdout=0.2', '--vary', 'steps.later.lr', '0.01', '1e-3']
    runs = plan_runs(parse_args(arguments))
    assert [run.name for run in runs] == [
        f'{method}_lr{lr}_seed0' for method in ('mib', 'lwf') for lr in ('0.01', '1e-3')
    ]
    assert dict(runs[1].labels) == {'method': 'mib', 'steps.later.lr': '1e-3', 'seed': '0'}
    assert len({run.base for run in runs}) == 1, 'the base step is the same'
    configs = [config_from_args(train_args(run.arguments)) for run in runs]
    assert [cfg.steps.later.lr for cfg in configs] == [0.01, 1e-3, 0.01, 1e-3]
    assert all(cfg.protocol.holdout == 0.2 for cfg in configs)
    assert runs[0].test_images == (7, 8), 'of 40 training images; there are 10 test images'


def test_what_was_chosen_is_run_with_every_seed(tmp_path: Path) -> None:
    arguments = [CONFIG, '--methods', 'mib', 'lwf', 'plop', '--seeds', '0', '1', '--work-dir', str(tmp_path)]
    options = parse_args([*arguments, '--choose', 'steps.later.lr', '0.01', '0.1', '1.0'])
    runs = plan_runs(options, {'mib': '0.1', 'plop': '0.01'})
    assert [run.name for run in runs] == ['mib_seed0', 'mib_seed1', 'plop_seed0', 'plop_seed1'], 'LwF failed'
    configs = [config_from_args(train_args(run.arguments)) for run in runs]
    assert [cfg.steps.later.lr for cfg in configs] == [0.1, 0.1, 0.01, 0.01]
    assert not any(cfg.protocol.get('holdout') for cfg in configs)
