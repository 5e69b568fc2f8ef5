"""Flags that change a config."""

from __future__ import annotations

import pytest

from mmciss.apis.overrides import parse_order, parse_steps, use_method
from mmciss.apis.train import config_from_args, parse_args
from mmciss.errors import ConfigError
from mmciss.utils.configs import load_config, load_method, method_names
from tests.paths import ROOT

CONFIG = str(ROOT / 'configs' / 'shapes' / 'shapes_15-1.py')


def test_orders() -> None:
    assert parse_order('b') == 'b' and parse_order('7') == 7
    assert parse_order('3,1,2') == [3, 1, 2] and parse_order('cat, dog') == ['cat', 'dog']


def test_steps() -> None:
    assert parse_steps('2') == [2] and parse_steps('0-2') == [0, 1, 2] and parse_steps('0,3-4') == [0, 3, 4]
    for text in ('x', '', '1-0', '0,', '-1', '0-', '0-99999999999', '1.0', '0--1'):
        with pytest.raises(ConfigError, match=f"--steps: cannot read '{text}'; allowed"):
            parse_steps(text)


def test_a_method_replaces_the_configs_own_completely() -> None:
    cfg = load_config(CONFIG)
    assert cfg.method.name == 'MiB'
    use_method(cfg, 'finetuning')
    assert cfg.method.name == 'Fine-tuning' and 'losses' not in cfg.method
    use_method(cfg, 'joint')
    assert cfg.protocol.joint and cfg.protocol.name == '15-1', 'other keys of the file are merged'


def test_unknown_methods_and_configs_are_refused_with_what_is_allowed() -> None:
    assert {'finetuning', 'joint', 'lwf', 'lwf_mc', 'ilt', 'mib'} <= set(method_names())
    with pytest.raises(ConfigError, match="--method: unknown method 'mbi'.*Did you mean 'mib'"):
        load_method('mbi')
    with pytest.raises(ConfigError, match='config: no file nowhere.py'):
        load_config('nowhere.py')
    with pytest.raises(ConfigError, match=r"no file configs/shapes/shapes_15_1.py .*Did you mean 'shapes_15-1.py'"):
        load_config('configs/shapes/shapes_15_1.py')


@pytest.mark.parametrize('text', ['', 'methd = dict()', 'method = 3', 'method = dict('])
def test_a_file_without_a_method_is_refused(text: str, tmp_path) -> None:
    path = tmp_path / 'mine.py'
    path.write_text(text)
    with pytest.raises(ConfigError, match=f'--method {path}'):
        load_method(str(path))


@pytest.mark.parametrize('text', ['protocol.name', '=3', 'a..b=3', 'x=[1,(2]', '.x=1'])
def test_cfg_options_that_cannot_be_read_end_like_wrong_flags(text: str, capsys: pytest.CaptureFixture) -> None:
    with pytest.raises(SystemExit) as caught:
        parse_args([CONFIG, '--cfg-options', 'steps.base.iters=5', text])
    assert caught.value.code == 2
    assert f'argument --cfg-options: cannot read {text!r}' in capsys.readouterr().err


@pytest.mark.parametrize('flag', ['--method', '--protocol', '--setting', '--order', '--base-from'])
def test_empty_flags_are_refused(flag: str) -> None:
    with pytest.raises(ConfigError, match=f'{flag}: is empty'):
        config_from_args(parse_args([CONFIG, flag, '']))


def test_flags_reach_the_config_and_name_the_work_directory() -> None:
    cfg = config_from_args(
        parse_args(
            [
                CONFIG,
                '--method',
                'lwf',
                '--protocol',
                '10-5',
                '--setting',
                'disjoint',
                '--order',
                '3',
                '--seed',
                '4',
                '--steps',
                '0',
                '--amp',
                '--resume',
                '--cfg-options',
                'steps.base.iters=5',
            ]
        )
    )
    assert cfg.method.name == 'LwF'
    assert (cfg.protocol.name, cfg.protocol.setting, cfg.protocol.order) == ('10-5', 'disjoint', 3)
    assert cfg.randomness.seed == 4 and cfg.run_steps == [0] and cfg.steps.base.iters == 5 and cfg.resume
    assert cfg.optim_wrapper.type == 'AmpOptimWrapper'
    assert cfg.work_dir == 'work_dirs/shapes_15-1_lwf_10-5_disjoint_order3_seed4'


def test_configs_are_found_by_their_name_from_anywhere(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert load_config('configs/shapes/shapes_15-1.py').protocol.name == '15-1'
    assert load_config('shapes/shapes_15-1.py').protocol.name == '15-1'


def test_a_method_made_for_a_folder_of_configs_goes_first() -> None:
    cfg = load_config('configs/voc6/deeplabv3_mbv2_voc6_3-1.py')
    use_method(cfg, 'plop')
    assert cfg.method.losses.pod.factor == 0.1
    cfg = load_config('configs/shapes/shapes_15-1.py')
    use_method(cfg, 'plop')
    assert cfg.method.losses.pod.factor == 0.01
    use_method(cfg, 'configs/voc6/methods/plop.py')
    assert cfg.method.losses.pod.factor == 0.1
