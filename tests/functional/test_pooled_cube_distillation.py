"""Tests of the pooled cube distillation."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from mmciss.functional import pooled_cube_distillation
from tests.functional import closed_form as cf
from tests.functional.feature_lists import student_maps, teacher_maps

LAST = [0.01] * 4 + [0.0005]


def test_golden_values() -> None:
    student, teacher = student_maps(), teacher_maps()
    spatial = pooled_cube_distillation(student, teacher, [0.01, *LAST], 4, 6)
    channel = pooled_cube_distillation(student[:5], teacher[:5], LAST, 4, 6, mode='channel')
    assert cf.near(spatial, 0.00815267) and cf.near(channel, 0.06463696)


def test_spatial_equals_the_equation() -> None:
    b, a = student_maps()[2].double(), teacher_maps()[2].double()
    norms = [F.avg_pool2d(a**2 - b**2, k, 1, k // 2).flatten(1).norm(dim=1).mean() for k in (3, 4)]
    expected = 0.5 * 3**0.5 * torch.stack(norms).mean()
    torch.testing.assert_close(pooled_cube_distillation([b], [a], [0.5], 4, 6, kernels=(3, 4)), expected)


def test_channel_equals_the_equation() -> None:
    b, a = student_maps()[2].double(), teacher_maps()[2].double()
    d = F.pad(a**2 - b**2, (0, 0, 0, 0, 1, 1))
    pooled = (d[:, :-2] + d[:, 1:-1] + d[:, 2:]) / 3
    expected = 0.5 * 3**0.5 * pooled.flatten(1).norm(dim=1).mean()
    found = pooled_cube_distillation([b], [a], [0.5], 4, 6, mode='channel')
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize('mode', ['spatial', 'channel'])
def test_gradient(mode: str) -> None:
    teacher = cf.wave((1, 3, 4, 4), 0.4, 0.5).double()

    def function(x: Tensor) -> Tensor:
        return pooled_cube_distillation([x], [teacher], [0.3], 3, 4, kernels=(2, 4), mode=mode)

    assert cf.check_gradient(function, cf.wave((1, 3, 4, 4), 0.3, 0.1))


@pytest.mark.parametrize('mode', ['spatial', 'channel'])
def test_equal_maps_and_half_precision(mode: str) -> None:
    x = cf.wave((2, 3, 8, 8), 0.3, 0.1).requires_grad_(True)
    loss = pooled_cube_distillation([x], [x.detach()], [1.0], 4, 6, mode=mode)
    loss.backward()
    assert loss == 0 and torch.isfinite(x.grad).all()
    half = torch.full((1, 2, 4, 4), 300, dtype=torch.float16)
    assert torch.isfinite(pooled_cube_distillation([half], [half / 2], [1.0], 4, 6, mode=mode))


def test_unknown_mode() -> None:
    with pytest.raises(ValueError, match="'both'.*spatial, channel"):
        pooled_cube_distillation(student_maps(), teacher_maps(), [1.0] * 6, 4, 6, mode='both')
