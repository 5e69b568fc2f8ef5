"""The device that a command uses: one that is there."""

from __future__ import annotations

import os
import re

import torch

from mmciss.errors import ConfigError


def existing_devices() -> list[str]:
    """Returns the devices that torch can use, such as ``['cpu', 'cuda:0']``."""
    return ['cpu', *(f'cuda:{index}' for index in range(torch.cuda.device_count()))]


def use_device(device: str | None, key: str = '--device') -> None:
    """Makes one device the one that is used; to be called before anything is put on a GPU.

    Args:
        device: ``'cpu'``, ``'cuda'`` (the first GPU) or ``'cuda:1'``, counted as torch does, among those that
            ``CUDA_VISIBLE_DEVICES`` shows; None leaves the choice to mmengine.
        key: The flag that holds the value.

    Raises:
        ConfigError: If the name is that of no device, or the device is not there.
    """
    if device is None:
        return
    if not re.fullmatch(r'cpu|cuda(:[0-9]+)?', device):
        raise ConfigError(f'{key}: {device!r}; allowed here: {", ".join(existing_devices())}')
    if device == 'cpu':
        os.environ['CUDA_VISIBLE_DEVICES'] = '-1'
        return
    index, there = int(device.partition(':')[2] or 0), existing_devices()
    if f'cuda:{index}' not in there:
        why = '' if torch.version.cuda or torch.version.hip else '; this torch was built without CUDA'
        raise ConfigError(f'{key}: {device!r} is not there; allowed here: {", ".join(there)}{why}')
    visible = os.environ.get('CUDA_VISIBLE_DEVICES')
    os.environ['CUDA_VISIBLE_DEVICES'] = visible.split(',')[index].strip() if visible else str(index)
    if torch.cuda.device_count() > 1:  # The driver had been asked before and keeps its answer.
        torch.cuda.set_device(index)
