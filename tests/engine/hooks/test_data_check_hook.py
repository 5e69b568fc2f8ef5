"""Labelers are asked before training whether the data has what they read."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from mmengine.structures import PixelData
from mmseg.structures import SegDataSample

from mmciss.datasets.samplers.drawn_index import DrawnIndex
from mmciss.engine.hooks.data_check_hook import DataCheckHook
from mmciss.errors import ConfigError
from mmciss.models.labelers import UnknownLabeler


class Data:
    """One sample."""

    def __init__(self, **fields: PixelData) -> None:
        self.sample = SegDataSample()
        for name, value in fields.items():
            setattr(self.sample, name, value)

    def __getitem__(self, index: int) -> dict:
        assert isinstance(index, DrawnIndex)
        return dict(inputs=torch.zeros(3, 2, 2), data_samples=self.sample)


def runner(labeler: object, data: Data) -> SimpleNamespace:
    model = torch.nn.Module()
    model.labeler = labeler
    return SimpleNamespace(model=model, train_dataloader=SimpleNamespace(dataset=data))


def test_missing_maps_stop_the_run() -> None:
    plain = PixelData(data=torch.zeros(1, 2, 2))
    with pytest.raises(ConfigError, match="method.labeler.unknown='saliency' needs saliency maps"):
        DataCheckHook().before_run(runner(UnknownLabeler('saliency'), Data(gt_sem_seg=plain)))
    DataCheckHook().before_run(runner(UnknownLabeler('saliency'), Data(gt_sem_seg=plain, gt_saliency=plain)))


def test_labelers_without_wishes_cost_nothing() -> None:
    DataCheckHook().before_run(runner(None, None))
    DataCheckHook().before_run(runner(object(), None))
