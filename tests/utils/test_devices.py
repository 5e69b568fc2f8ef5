"""Devices that exist, and devices that do not."""

from __future__ import annotations

import os

import pytest
import torch

from mmciss.errors import ConfigError
from mmciss.utils.devices import use_device


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
