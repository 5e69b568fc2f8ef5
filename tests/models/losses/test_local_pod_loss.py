"""Tests of the feature distillation of PLOP."""

from __future__ import annotations

import pytest
import torch
from mmseg.registry import MODELS

from mmciss.errors import ConfigError
from mmciss.functional import local_pod
from mmciss.models.losses import LocalPODLoss
from mmciss.models.outputs import SegOutput
from tests.functional import closed_form as cf
from tests.functional.feature_lists import student_maps, teacher_maps
from tests.models.losses import samples

LAYERS = ['a', 'b', 'c', 'd']


def output(maps: list[torch.Tensor]) -> SegOutput:
    """Four features, an embedding and logits."""
    return SegOutput(maps[5], embedding=maps[4], features=dict(zip(LAYERS, maps, strict=False)))


def test_golden_value_and_weight() -> None:
    loss = MODELS.build(dict(type='LocalPODLoss', layers=LAYERS))
    assert loss.layers == tuple(LAYERS)
    assert set(loss.needs) == {'logits', 'embedding', 'features', 'teacher'}
    arguments = output(student_maps()), output(teacher_maps()), cf.labels(), samples.later()
    assert cf.near(loss(*arguments), 0.12463775)
    assert cf.near(LocalPODLoss(LAYERS, loss_weight=3.0)(*arguments), 3 * 0.12463775)


def test_factors_and_scales() -> None:
    arguments = output(student_maps()), output(teacher_maps()), cf.labels(), samples.later()
    found = LocalPODLoss(LAYERS, factor=0.3, logits_factor=0.0, scales=(1, 2))(*arguments)
    expected = local_pod(student_maps(), teacher_maps(), [0.3] * 5 + [0.0], 4, 6, (1, 2))
    torch.testing.assert_close(found, expected)


def test_zero_without_a_teacher() -> None:
    assert LocalPODLoss(LAYERS)(output(student_maps()), None, cf.labels(), samples.base()) == 0


def test_a_layer_that_gives_several_maps_stands_for_all_of_them() -> None:
    def grouped(maps: list[torch.Tensor]) -> SegOutput:
        return SegOutput(maps[5], embedding=maps[4], features={'backbone': tuple(maps[:4])})

    arguments = grouped(student_maps()), grouped(teacher_maps()), cf.labels(), samples.later()
    assert cf.near(LocalPODLoss(['backbone'])(*arguments), 0.12463775)


def test_modules_that_give_other_maps_in_training_are_refused() -> None:
    def grouped(maps: list[torch.Tensor], number: int) -> SegOutput:
        return SegOutput(maps[5], embedding=maps[4], features={'backbone': tuple(maps[:number])})

    arguments = grouped(student_maps(), 4), grouped(teacher_maps(), 2), cf.labels(), samples.later()
    with pytest.raises(
        ConfigError, match=r"LocalPODLoss.layers=\['backbone'\] gives 4 maps in training and 2 in tests"
    ):
        LocalPODLoss('backbone')(*arguments)
    assert LocalPODLoss([])(*arguments) > 0, 'what the message names works'
