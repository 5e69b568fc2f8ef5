"""Tests of GSC's pixel weights."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from mmciss.functional import gradient_compensation
from tests.functional import closed_form as cf

STEPS = (0, 0, 1, 1, 2, 2)


def reference(logits: np.ndarray, target: np.ndarray, power: float, softmax: bool) -> np.ndarray:
    p = 1 / (1 + np.exp(-logits))
    if softmax:
        p = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    weight = np.where(target == 255, 0.0, 1.0)
    for step in (0, 1):
        where = [i for i in np.ndindex(*target.shape) if target[i] != 255 and STEPS[target[i]] == step]
        g = np.array([abs(p[n, target[n, h, w], h, w] - 1) ** power for n, h, w in where])
        for index, value in zip(where, g / g.mean(), strict=True):
            weight[index] = value
    return weight


@pytest.mark.parametrize('power', [True, False])
@pytest.mark.parametrize('activation', ['sigmoid', 'softmax'])
def test_equals_the_equation(power: bool, activation: str) -> None:
    z, y = cf.logits().double(), cf.labels()
    found = gradient_compensation(z, y, STEPS, 4, power=power, activation=activation)
    expected = reference(z.numpy(), y.numpy(), 4 / 6 if power else 1.0, activation == 'softmax')
    np.testing.assert_allclose(found, expected, rtol=1e-10)


def test_every_old_step_weighs_one_on_average_and_new_pixels_exactly() -> None:
    y = cf.labels()
    weight = gradient_compensation(cf.logits(), y, STEPS, 4)
    for classes in ((0, 1), (2, 3)):
        inside = (y == classes[0]) | (y == classes[1])
        torch.testing.assert_close(weight[inside].mean(), torch.tensor(1.0))
    assert (weight[(y == 4) | (y == 5)] == 1).all() and not weight[y == 255].any()


def test_worse_pixels_weigh_more() -> None:
    z = torch.zeros(1, 3, 1, 2)
    z[0, 0, 0] = torch.tensor([3.0, -3.0])
    weight = gradient_compensation(z, torch.zeros(1, 1, 2, dtype=torch.long), (0, 0, 1), 2)
    assert weight[0, 0, 1] > 1 > weight[0, 0, 0]


@pytest.mark.parametrize('label', [0, 5, 255])
@pytest.mark.parametrize('dtype', [torch.float16, torch.float32])
def test_one_sided_batches_are_finite(label: int, dtype: torch.dtype) -> None:
    z = (cf.logits() * 1e4).to(dtype)
    weight = gradient_compensation(z, torch.full((2, 8, 8), label), STEPS, 4)
    assert torch.isfinite(weight).all() and (weight.any() == (label != 255))


def test_learned_groups_and_the_base_step_weigh_one() -> None:
    z = torch.full((1, 2, 2, 2), 1e4)
    y = torch.zeros(1, 2, 2, dtype=torch.long)
    assert (gradient_compensation(z, y, (0, 1), 1) == 1).all()
    assert (gradient_compensation(cf.logits(), cf.labels(), (0,) * 6, 0)[cf.labels() != 255] == 1).all()


def test_no_gradient() -> None:
    z = cf.logits().requires_grad_(True)
    assert not gradient_compensation(z, cf.labels(), STEPS, 4).requires_grad


def test_unknown_activation() -> None:
    with pytest.raises(ValueError, match="'relu'.*sigmoid, softmax"):
        gradient_compensation(cf.logits(), cf.labels(), STEPS, 4, activation='relu')
