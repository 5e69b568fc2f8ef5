"""Tests of Local POD."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from mmciss.functional import local_pod
from tests.functional import closed_form as cf
from tests.functional.feature_lists import student_maps, teacher_maps

FACTORS = [0.01] * 5 + [0.0005]


def phi(x: np.ndarray, scales: tuple[int, ...]) -> np.ndarray:
    """Region by region, shape (N, -1); the published form for square maps."""
    parts = []
    for s in scales:
        k, m = x.shape[2] // s, x.shape[3] // s
        for i in range(s):
            for j in range(s):
                region = x[:, :, i * k : (i + 1) * k, j * m : (j + 1) * m]
                parts += [region.mean(3).reshape(len(x), -1), region.mean(2).reshape(len(x), -1)]
    return np.concatenate(parts, 1)


def reference(student: list[Tensor], teacher: list[Tensor], factors: list[float], old: int, seen: int) -> float:
    total = 0.0
    for b, a, factor in zip(student, teacher, factors, strict=True):
        a, b = a.double().numpy(), b.double().numpy()
        if b.shape[1] > a.shape[1]:
            b = np.concatenate([b[:, :1] + b[:, old:].sum(1, keepdims=True), b[:, 1:old]], 1)
        norm = np.linalg.norm(phi(a**2, (1, 2, 4)) - phi(b**2, (1, 2, 4)), axis=1).mean()
        total += factor * np.sqrt(seen / max(seen - old, 1)) * norm
    return total / len(factors)


def test_golden_value() -> None:
    assert cf.near(local_pod(student_maps(), teacher_maps(), FACTORS, 4, 6), 0.12463775)


@pytest.mark.parametrize('size', [(8, 8), (9, 11), (4, 7)])
def test_equals_the_equation_for_any_size(size: tuple[int, int]) -> None:
    student = [cf.wave((2, 3, *size), 0.3, 0.1), cf.wave((2, 6, *size), 0.2, 0.4)]
    teacher = [cf.wave((2, 3, *size), 0.4, 0.5), cf.wave((2, 4, *size), 0.1, 0.6)]
    expected = reference(student, teacher, [0.1, 0.2], 4, 6)
    assert float(local_pod(student, teacher, [0.1, 0.2], 4, 6)) == pytest.approx(expected, rel=1e-5)


def test_maps_of_weight_zero_count_in_the_average() -> None:
    both = local_pod(student_maps(), teacher_maps(), [0] * 5 + [1.0], 4, 6)
    alone = local_pod(student_maps()[-1:], teacher_maps()[-1:], [1.0], 4, 6)
    torch.testing.assert_close(both, alone / 6)


def test_domain_incremental_factor_is_one() -> None:
    maps, other = student_maps()[:1], teacher_maps()[:1]
    torch.testing.assert_close(local_pod(maps, other, [1.0], 19, 19), local_pod(maps, other, [1.0], 3, 4) / 2)


def test_gradient() -> None:
    logits = cf.wave((1, 4, 4, 4), 0.2, 0.4), cf.wave((1, 3, 4, 4), 0.1, 0.6)
    feature = cf.wave((1, 2, 4, 4), 0.4, 0.5).double()

    def function(x: Tensor) -> Tensor:
        maps = [x[:, :2], logits[0].double() * x.mean()]
        return local_pod(maps, [feature, logits[1].double()], [0.3, 0.2], 3, 4)

    assert cf.check_gradient(function, cf.wave((1, 2, 4, 4), 0.3, 0.1))


def test_equal_maps_cost_nothing_and_have_a_finite_gradient() -> None:
    x = cf.wave((2, 3, 8, 8), 0.3, 0.1).requires_grad_(True)
    loss = local_pod([x], [x.detach()], [1.0], 4, 6)
    loss.backward()
    assert loss == 0 and torch.isfinite(x.grad).all()


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16])
def test_half_precision_does_not_overflow(dtype: torch.dtype) -> None:
    x = torch.full((1, 2, 4, 4), 300, dtype=dtype)
    assert torch.isfinite(local_pod([x], [x / 2], [1.0], 4, 6))


def test_map_too_small() -> None:
    x = torch.zeros(1, 2, 3, 8)
    with pytest.raises(ValueError, match=r'scales: 4 regions.*\(3, 8\)'):
        local_pod([x], [x], [1.0], 4, 6)


@pytest.mark.parametrize(
    'student, teacher, factors',
    [
        ([], [], []),
        ([torch.zeros(1, 2, 4, 4)], [], [1.0]),
        ([torch.zeros(1, 2, 4, 4)], [torch.zeros(1, 3, 4, 4)], [1.0]),
        ([torch.zeros(1, 2, 4, 4)], [torch.zeros(1, 2, 4, 8)], [1.0]),
    ],
)
def test_lists_that_do_not_match(student: list, teacher: list, factors: list) -> None:
    with pytest.raises(ValueError, match='map'):
        local_pod(student, teacher, factors, 4, 6)
