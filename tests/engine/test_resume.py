"""A step that was interrupted continues at its checkpoint and ends bit by bit as if nothing had happened."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import torch

import mmciss.register_all
from mmciss.apis.train import train
from mmciss.utils.checkpoints import read_checkpoint
from tests.interruption import resumed_at
from tests.smoke import smoke_config

EVERYTHING = dict(
    optim_wrapper__type='AmpOptimWrapper',
    optim_wrapper__loss_scale='dynamic',
    optim_wrapper__optimizer__momentum=0.9,
    train_dataloader__num_workers=2,
    train_dataloader__persistent_workers=True,
    custom_hooks=[dict(type='EMAHook', momentum=0.2)],
)
ACCUMULATION = dict(
    optim_wrapper__accumulative_counts=3, optim_wrapper__optimizer=dict(type='AdamW', lr=0.01, _delete_=True)
)


@pytest.mark.parametrize(
    ('options', 'interval', 'at', 'continued'),
    [(EVERYTHING, 2, 5, 4), (ACCUMULATION, 1, 5, 3)],
    ids=['amp-ema-momentum-workers', 'accumulation-adamw'],
)
def test_an_interrupted_step_is_the_uninterrupted_one(
    tmp_path: Path, options: dict, interval: int, at: int, continued: int
) -> None:
    def config(name: str, *hooks: dict, **more: Any) -> Any:
        cfg = smoke_config(
            tmp_path / name,
            run_steps=[0],
            default_hooks__checkpoint__interval=interval,
            keep_training_checkpoints=True,
            **{**options, **more},
        )
        cfg.custom_hooks = [*(cfg.get('custom_hooks') or []), *hooks]
        return cfg

    train(config('whole'))
    with pytest.raises(KeyboardInterrupt):
        train(config('cut', dict(type='InterruptionHook', iteration=at)))
    train(config('cut', resume=True))
    assert resumed_at(tmp_path / 'cut' / 'step_0') == [continued]
    whole, cut = (read_checkpoint(tmp_path / name / 'step_0' / 'iter_6.pth') for name in ('whole', 'cut'))
    for part in ('state_dict', 'optimizer', 'param_schedulers', 'ema_state_dict'):
        same(whole.get(part), cut.get(part), part)
    for name, log in whole['message_hub']['log_scalars'].items():
        if not re.search('time|memory', name):
            assert log.data[0].tolist() == cut['message_hub']['log_scalars'][name].data[0].tolist(), name
    files = [(tmp_path / name / 'step_0' / 'model.pth').read_bytes() for name in ('whole', 'cut')]
    assert files[0] == files[1]


def same(first: Any, second: Any, where: str) -> None:
    """Asserts that two nested values are equal."""
    assert type(first) is type(second), where
    if isinstance(first, dict):
        assert first.keys() == second.keys(), where
        for key in first:
            same(first[key], second[key], f'{where}.{key}')
    elif isinstance(first, list | tuple):
        assert len(first) == len(second), where
        for index, pair in enumerate(zip(first, second, strict=True)):
            same(*pair, f'{where}[{index}]')
    elif isinstance(first, torch.Tensor):
        assert torch.equal(first, second), where
    else:
        assert first == second, where
