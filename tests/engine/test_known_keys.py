"""Keys that are nearly right are refused; variables of a file are not."""

from __future__ import annotations

import pytest

from mmciss.engine.known_keys import check_changes, check_top_level, known_keys, similar_key
from mmciss.errors import ConfigError


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
def test_slips_are_found_beside_the_right_key(name: str, meant: str | None) -> None:
    assert similar_key(name, known_keys()) == meant
    if meant:
        with pytest.raises(ConfigError, match=f"{name}: no key of a config. Did you mean '{meant}'"):
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


def test_what_is_read_comes_from_the_readers() -> None:
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
