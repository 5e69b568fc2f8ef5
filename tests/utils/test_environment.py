"""The environment of a process: workarounds, warnings that are dropped, devices."""

from __future__ import annotations

import importlib
import logging
import os
import pickle

import pytest
import torch
from mmengine.logging import MMLogger
from mmengine.optim import build_optim_wrapper
from torch import nn

from mmciss.errors import ConfigError
from mmciss.utils.environment import drop_frozen_parameter_notes, import_yapf, use_device


@pytest.mark.parametrize('error', [EOFError('Ran out of input'), pickle.UnpicklingError('truncated')])
def test_a_cache_that_is_being_written_is_waited_for(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    """As when several processes of one job are the first to import yapf in an environment."""
    asked = []

    def halfway(name: str) -> None:
        asked.append(name)
        if len(asked) < 3:
            raise error

    monkeypatch.setattr(importlib, 'import_module', halfway)
    import_yapf(pause=0.0)
    assert asked == ['yapf.yapflib.yapf_api'] * 3


def test_a_broken_cache_is_no_endless_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(name: str) -> None:
        raise EOFError('Ran out of input')

    monkeypatch.setattr(importlib, 'import_module', broken)
    with pytest.raises(EOFError):
        import_yapf(tries=3, pause=0.0)


class Kept(logging.Handler):
    """Keeps the texts that reach a handler."""

    def __init__(self) -> None:
        super().__init__()
        self.texts: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.texts.append(record.getMessage())


@pytest.mark.parametrize('dropped', [False, True])
def test_the_notes_are_dropped_and_nothing_else(dropped: bool) -> None:
    logger = MMLogger.get_instance(f'notes_{dropped}')
    handler = Kept()
    logger.addHandler(handler)
    if dropped:
        drop_frozen_parameter_notes()
        drop_frozen_parameter_notes()
    model = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    model[0].requires_grad_(False)
    # Frozen parameters are only mentioned where groups are made.
    build_optim_wrapper(
        model,
        dict(
            type='OptimWrapper',
            optimizer=dict(type='SGD', lr=0.1, weight_decay=0.1),
            paramwise_cfg=dict(norm_decay_mult=0.0),
        ),
    )
    logger.warning('something else')
    assert len([text for text in handler.texts if 'requires_grad=False' in text]) == (0 if dropped else 2)
    assert handler.texts[-1] == 'something else'


@pytest.fixture
def gpus(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Two GPUs out of four, as far as torch says."""
    monkeypatch.setenv('CUDA_VISIBLE_DEVICES', '2, 3')
    monkeypatch.setattr(torch.cuda, 'device_count', lambda: len(os.environ['CUDA_VISIBLE_DEVICES'].split(',')))
    return monkeypatch


@pytest.mark.parametrize(
    ('device', 'visible'), [('cpu', '-1'), ('cuda', '2'), ('cuda:0', '2'), ('cuda:1', '3'), (None, '2, 3')]
)
def test_one_device_becomes_the_visible_one(device: str | None, visible: str, gpus: pytest.MonkeyPatch) -> None:
    use_device(device)
    assert os.environ['CUDA_VISIBLE_DEVICES'] == visible


def test_a_driver_that_was_asked_before_is_told_which_one(gpus: pytest.MonkeyPatch) -> None:
    chosen: list[int] = []
    gpus.setattr(torch.cuda, 'device_count', lambda: 2)
    gpus.setattr(torch.cuda, 'set_device', chosen.append)
    use_device('cuda:1')
    assert chosen == [1]


@pytest.mark.parametrize(
    'device', ['cuda:2', 'cuda:9', 'cuda:-1', 'cuda:', 'cuda:x', 'cuda:²', 'cpu:0', 'tpu', 'CUDA', '']
)
def test_what_is_not_there_is_refused_with_what_is(device: str, gpus: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match=f"--device: '{device}'.*allowed here: cpu, cuda:0, cuda:1"):
        use_device(device)
    assert os.environ['CUDA_VISIBLE_DEVICES'] == '2, 3', 'nothing was changed'


@pytest.mark.parametrize('device', ['cuda', 'cuda:0', 'cuda:9'])
def test_without_a_gpu_none_is_used(device: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, 'device_count', lambda: 0)
    monkeypatch.setattr(torch.version, 'cuda', None)
    with pytest.raises(
        ConfigError, match=f"'{device}' does not exist; allowed here: cpu; this torch was built without"
    ):
        use_device(device)
