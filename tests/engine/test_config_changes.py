"""Changes by dotted keys reach something."""

from __future__ import annotations

import pytest
from mmengine.config import Config

from mmciss.engine.config_changes import apply_cfg_options
from mmciss.errors import ConfigError


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


def test_what_something_reads_may_be_new() -> None:
    cfg = config()
    apply_cfg_options(cfg, {'steps.later.lr': 0.1, 'sync_bn': 'torch', 'experiment_name': 'x', 'load_from': None})
    assert cfg.steps.later.lr == 0.1 and cfg.sync_bn == 'torch'
    apply_cfg_options(cfg, None)


def test_a_variable_of_the_file_is_warned_about(capsys: pytest.CaptureFixture) -> None:
    cfg = config()
    apply_cfg_options(cfg, {'crop_size': 32})
    assert cfg.crop_size == 32
    assert "--cfg-options crop_size: 'crop_size' is a variable of the config file" in ''.join(capsys.readouterr())


def test_what_does_not_fit_is_named() -> None:
    with pytest.raises(ConfigError, match='--cfg-options protocol.name.first'):
        apply_cfg_options(config(), {'protocol.name.first': 3})
