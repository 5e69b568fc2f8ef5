"""Choosing the device that a command runs on."""

from __future__ import annotations

import os
import re

import torch

from mmciss.errors import ConfigError


def existing_devices() -> list[str]:
    """Returns the devices that torch can use, such as ``['cpu', 'cuda:0']``."""
    return ['cpu', *(f'cuda:{index}' for index in range(torch.cuda.device_count()))]


def use_device(device: str | None, key: str = '--device') -> None:
    """Restricts this process to one device; must be called before anything is put on a GPU.

    Args:
        device: ``'cpu'``, ``'cuda'`` (the first GPU) or ``'cuda:1'``, counted as in torch among the GPUs that
            ``CUDA_VISIBLE_DEVICES`` shows; None leaves the choice to mmengine.
        key: The flag that holds the value.

    Raises:
        ConfigError: If the name is not a device's, or the device does not exist.
    """
    if device is None:
        return
    if not re.fullmatch(r'cpu|cuda(:[0-9]+)?', device):
        raise ConfigError(f'{key}: {device!r}; allowed here: {", ".join(existing_devices())}')
    if device == 'cpu':
        os.environ['CUDA_VISIBLE_DEVICES'] = '-1'
        return
    index, existing = int(device.partition(':')[2] or 0), existing_devices()
    if f'cuda:{index}' not in existing:
        why = '' if torch.version.cuda or torch.version.hip else '; this torch was built without CUDA'
        raise ConfigError(f'{key}: {device!r} does not exist; allowed here: {", ".join(existing)}{why}')
    visible = os.environ.get('CUDA_VISIBLE_DEVICES')
    os.environ['CUDA_VISIBLE_DEVICES'] = visible.split(',')[index].strip() if visible else str(index)
    if torch.cuda.device_count() > 1:  # CUDA was already initialised, so the variable came too late
        torch.cuda.set_device(index)
