"""Unlabelled pixels get the class that the teacher sees."""

from __future__ import annotations

import pytest
import torch

from mmciss.errors import ConfigError
from mmciss.models.labelers import TeacherLabeler
from mmciss.models.outputs import SegOutput
from mmciss.protocols.labels import UNKNOWN
from mmciss.protocols.step import Step
from tests.models.labelers.samples import label

STEP = Step(1, new=(3,), old=(1, 2), sizes=(2, 1), names=('a', 'b', 'c'), background=False)


def test_only_unlabelled_pixels_change() -> None:
    target = torch.tensor([[[UNKNOWN, UNKNOWN], [2, 255]]])
    logits = torch.zeros(1, 2, 2, 2)
    logits[0, 1, 0, 1] = logits[0, 0, 0, 0] = logits[0, 1, 1] = 5.0
    found = label(TeacherLabeler(), target, SegOutput(logits), STEP)
    assert found.target.tolist() == [[[0, 1], [2, 255]]] and found.weights is None
    assert target[0, 0, 0] == UNKNOWN, 'the labels of the batch stay as they are'


def test_too_many_classes_are_refused() -> None:
    step = Step(1, new=(255,), old=range(1, 255), sizes=(254, 1), names=[str(i) for i in range(255)], background=False)
    with pytest.raises(ConfigError, match='TeacherLabeler needs label 254'):
        TeacherLabeler().check_step(step)
