"""Batches that lack what a loss looks for: the losses and gradients of every method stay finite."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from mmengine.hooks import Hook
from mmengine.runner import Runner
from mmengine.structures import PixelData
from mmseg.structures import SegDataSample
from torch import Tensor

import mmciss.register_all
from mmciss.engine.hooks.teacher_hook import unwrap
from mmciss.utils.configs import method_names
from tests.step_run import block_masks, run_step, step_run_config, untrained_base, write_pictures

# Channels of step 1: the background, two old classes, two new ones.
LABELS = {
    'nothing labelled': [255],
    'background only': [0],
    'new classes only': [3, 4],
    'one new class': [3],
    'no old class': [0, 3, 4, 255],
    'old classes only': [1, 2],
    'no background': [1, 2, 3, 4, 255],
    'one image without labels': [0, 3],
}


def samples(name: str, size: int = 2, side: int = 32) -> tuple[Tensor, list[SegDataSample]]:
    """Draws a batch whose labels come from one entry of :data:`LABELS`."""
    generator = torch.Generator().manual_seed(0)
    inputs = torch.randn(size, 3, side, side, generator=generator)
    choices = torch.tensor(LABELS[name])
    found = []
    for index in range(size):
        label = choices[torch.randint(len(choices), (1, side, side), generator=generator)]
        if name == 'one image without labels' and index == 0:
            label = torch.full_like(label, 255)
        shape = dict(img_shape=(side, side), ori_shape=(side, side), pad_shape=(side, side))
        sample = SegDataSample(metainfo=shape)
        sample.gt_sem_seg = PixelData(data=label)
        found.append(sample)
    return inputs, found


class SpecialBatches(Hook):
    """Computes losses and gradients of every special batch once the model is ready."""

    def before_train(self, runner: Runner) -> None:
        model = unwrap(runner.model).train()
        self.bad: list[str] = []
        for name in LABELS:
            model.zero_grad()
            total, logged = model.parse_losses(model.loss(*samples(name)))
            self.bad += [
                f'{name}: {key} is {float(value)}'
                for key, value in logged.items()
                if not bool(torch.isfinite(value).all())
            ]
            if total.requires_grad:
                total.backward()
            self.bad += [
                f'{name}: gradient of {key}'
                for key, parameter in model.named_parameters()
                if parameter.grad is not None and not bool(torch.isfinite(parameter.grad).all())
            ]
            self.bad += [
                f'{name}: buffer {key}'
                for key, buffer in model.named_buffers()
                if buffer.is_floating_point() and not bool(torch.isfinite(buffer).all())
            ]
        model.zero_grad()


@pytest.mark.parametrize('method', [name for name in method_names() if name != 'joint'])
def test_losses_of_special_batches_are_finite(method: str, tmp_path: Path) -> None:
    masks = block_masks(3, 10)
    for number in range(1, 7):
        masks[number][:] = number
    data = write_pictures(tmp_path / 'data', masks)
    cfg: Any = step_run_config(data, tmp_path / 'run', method)
    if cfg.method.get('memory'):
        cfg.method.memory.size = 2
    special = SpecialBatches()
    run_step(cfg, untrained_base(cfg, tmp_path / 'base', (1, 2)), special)
    assert not special.bad, '\n'.join(special.bad)
