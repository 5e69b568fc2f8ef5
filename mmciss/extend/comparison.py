"""Runs the old and the extended model on the same test images."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config
from mmseg.registry import MODELS
from torch import Tensor, nn

from mmciss.engine.runner.samples import MostChanged
from mmciss.evaluation.before_after import BeforeAfter
from mmciss.models.previous import load_plain_checkpoint


def load_plain(folder: Path, device: str) -> nn.Module:
    """Loads ``model.pth`` with the ``model_config.py`` of its folder, ready to predict."""
    model = MODELS.build(Config.fromfile(folder / 'model_config.py').model)
    load_plain_checkpoint(model, folder / 'model.pth', key='model')
    return model.to(device).eval()


@torch.no_grad()
def compare(before: nn.Module, after: nn.Module, dataset: Any, found: BeforeAfter, samples: MostChanged) -> None:
    """Runs both models on every image of a data set, counts what they say, and keeps those that changed most.

    The data set gives samples of MMSegmentation; their labels are channels, :data:`UNKNOWN` or 255.
    """
    for index in range(len(dataset)):
        item = dataset[index]
        old, new = _predict(before, item), _predict(after, item)
        label = item['data_samples'].gt_sem_seg.data[0].to(old.device)
        found.add(label, old, new)
        samples.add(item['inputs'], label, old, new, len(found.agreement))


def _predict(model: Any, item: dict[str, Any]) -> Tensor:
    # Models write into the samples that they get.
    data = {'inputs': [item['inputs']], 'data_samples': [item['data_samples'].clone()]}
    return model.test_step(data)[0].pred_sem_seg.data[0]
