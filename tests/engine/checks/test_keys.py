"""Misspelt keys are refused; variables of a file are not."""

from __future__ import annotations

from typing import Any

import pytest
from mmengine.config import Config

from mmciss.engine.checks import keys
from mmciss.engine.checks.keys import apply_cfg_options, check_changes, check_top_level, known_keys, similar_key
from mmciss.errors import ConfigError


@pytest.fixture
def warnings(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is logged. Not what is printed: a logger prints where it printed in the test that made it."""
    found: list[str] = []
    monkeypatch.setattr(keys, 'print_log', lambda message, **_: found.append(message))
    return found


@pytest.mark.parametrize(
    ('name', 'meant'),
    [
        ('protcol', 'protocol'),
        ('methd', 'method'),
        ('step', 'steps'),
        ('modle', 'model'),
        ('optim_wraper', 'optim_wrapper'),
        ('optimizer_wrapper', 'optim_wrapper'),
        ('trian_dataloader', 'train_dataloader'),
        ('randomnes', 'randomness'),
        ('default_hook', 'default_hooks'),
        ('custom_hook', 'custom_hooks'),
        ('param_schedulers', 'param_scheduler'),
        ('test_evaluators', 'test_evaluator'),
        ('load_form', 'load_from'),
        ('workdir', 'work_dir'),
        ('runtype', None),
        ('log_levl', 'log_level'),
        ('visualiser', 'visualizer'),
        ('base_form', 'base_from'),
        ('Protocol', 'protocol'),
    ],
)
def test_misspelt_keys_are_recognised(name: str, meant: str | None) -> None:
    assert similar_key(name, known_keys()) == meant
    if meant:
        with pytest.raises(ConfigError, match=f"{name}: no such key. Did you mean '{meant}'"):
            check_top_level({'protocol': {}, 'steps': {}, name: {}})


def test_variables_and_known_keys_pass() -> None:
    variables = (
        'crop_size',
        'norm_cfg',
        'train_pipeline',
        'dataset_type',
        'data_root',
        'optimizer',
        'num_classes',
        'checkpoint_file',
        'iters',
        'runner',
        'tta_pipeline',
        'models',
        'backbone_norm_cfg',
        '_protcol',
    )
    check_top_level(dict.fromkeys((*variables, *known_keys())))


def test_known_keys_come_from_the_code_that_reads_them() -> None:
    assert {
        'protocol',
        'model',
        'train_cfg',
        'randomness',
        'compile',
        'sync_bn',
        'model_wrapper_cfg',
        'run_steps',
        'base_from',
        'custom_imports',
        'tta_model',
        'auto_scale_lr',
    } <= known_keys()


def test_changes_of_a_step_have_known_keys() -> None:
    check_changes({'optim_wrapper.optimizer.lr': 1, 'train_dataloader': {}}, 'steps.later.cfg')
    with pytest.raises(ConfigError, match="steps.later.cfg.crop_size: nothing reads the key 'crop_size'"):
        check_changes({'crop_size': 3}, 'steps.later.cfg')


def config() -> Config:
    """Returns a small config with a variable."""
    return Config(
        dict(crop_size=48, protocol=dict(name='15-5'), steps=dict(base=dict(iters=3)), train_cfg=dict(max_iters=5))
    )


@pytest.mark.parametrize(
    ('key', 'meant'),
    [
        ('step.base.iters', 'steps'),
        ('protcol.name', 'protocol'),
        ('trian_dataloader.batch_size', 'train_dataloader'),
        ('max_iters', 'train_cfg.max_iters'),
        ('iters', None),
        ('zebra', None),
    ],
)
def test_new_top_level_keys_are_refused(key: str, meant: str | None) -> None:
    cfg = config()
    with pytest.raises(ConfigError, match=f'--cfg-options {key}: the config has no key') as caught:
        apply_cfg_options(cfg, {'protocol.name': '15-1', key: 3})
    assert (f"Did you mean '{meant}'" in str(caught.value)) if meant else 'Did you' not in str(caught.value)
    assert cfg.protocol.name == '15-5', 'nothing is merged'


def test_keys_that_are_read_may_be_new() -> None:
    cfg = config()
    apply_cfg_options(cfg, {'steps.later.lr': 0.1, 'sync_bn': 'torch', 'experiment_name': 'x', 'load_from': None})
    assert cfg.steps.later.lr == 0.1 and cfg.sync_bn == 'torch'
    apply_cfg_options(cfg, None)


def test_a_length_takes_the_place_of_the_configs_own() -> None:
    cfg = Config(dict(steps=dict(base=dict(lr=0.1, epochs=30, min_iters=9), later=dict(epochs=30))))
    apply_cfg_options(cfg, {'steps.base.iters': 0, 'steps.later.min_iters': 5, 'steps.3.iters': 7})
    assert cfg.steps == dict(base=dict(lr=0.1, iters=0), later=dict(epochs=30, min_iters=5), **{'3': dict(iters=7)})
    apply_cfg_options(cfg, {'steps.base.epochs': 2, 'steps.3.iters': 8, 'steps.3.epochs': 1})
    assert cfg.steps.base == dict(lr=0.1, epochs=2)
    assert cfg.steps['3'] == dict(iters=8, epochs=1), 'who gives both is told that only one is allowed'


def test_a_variable_of_the_file_is_warned_about(capsys: pytest.CaptureFixture) -> None:
    cfg = config()
    apply_cfg_options(cfg, {'crop_size': 32})
    assert cfg.crop_size == 32
    assert "--cfg-options crop_size: 'crop_size' is a variable of the config file" in ''.join(capsys.readouterr())


@pytest.mark.parametrize(
    ('key', 'value', 'named'),
    [
        ('optim_wrapper.clip_grad.max_norm', 1, ['max_norm=1: not at later steps, where the method has {}max_norm=10']),
        ('optim_wrapper.clip_grad', None, ['clip_grad=None: not at later steps, where the method has {}max_norm=10']),
        ('optim_wrapper.clip_grad.max_norm', 10, []),
        ('optim_wrapper.clip_grad', {'max_norm': 10}, []),
        ('optim_wrapper.clip_grad.norm_type', 1, []),
        ('optim_wrapper.clip', 1, []),
        (
            'train_cfg.max_iters',
            5,
            ['=5: not at the base step, where the method has train_cfg.max_iters=7; set method.base.'],
        ),
        ('randomness.seed', 5, ['randomness.seed=5: not at later steps, where the method has randomness=None']),
    ],
)
def test_an_option_that_the_method_overrules_is_warned_about(
    key: str, value: Any, named: list[str], warnings: list[str]
) -> None:
    own = {'optim_wrapper': dict(clip_grad=dict(max_norm=10)), 'randomness': None}
    cfg = config()
    cfg.method = dict(cfg=own, base=dict(cfg={'train_cfg.max_iters': 7}))
    apply_cfg_options(cfg, {key: value})
    said = '\n'.join(warnings)
    assert len(warnings) == len(named)
    assert all(text.format('optim_wrapper.clip_grad.') in said for text in named), said
    assert cfg.method.cfg == own, 'the method keeps its own'


def test_an_option_for_the_method_itself_is_not_warned_about(warnings: list[str]) -> None:
    cfg = config()
    cfg.method = dict(cfg=dict(optim_wrapper=dict(clip_grad=dict(max_norm=10))))
    apply_cfg_options(cfg, {'method.cfg.optim_wrapper.clip_grad.max_norm': 3, 'optim_wrapper.clip_grad.max_norm': 3})
    assert cfg.method.cfg.optim_wrapper.clip_grad.max_norm == 3
    assert not warnings


def test_an_option_that_does_not_fit_is_named() -> None:
    with pytest.raises(ConfigError, match='--cfg-options protocol.name.first'):
        apply_cfg_options(config(), {'protocol.name.first': 3})
