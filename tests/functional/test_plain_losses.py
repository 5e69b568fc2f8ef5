"""Losses on features, against loops over regions and classes."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from benchmarks import plain_losses
from mmciss.functional import feature_attraction, feature_repulsion, feature_sparsity, local_pod, prototype_matching


def both(functions, inputs: list[Tensor]) -> None:
    """Compares values and gradients."""
    values, gradients = [], []
    for function in functions:
        value = function()
        values.append(value.detach())
        gradients.append(torch.autograd.grad(value, inputs))
    torch.testing.assert_close(*values, rtol=1e-5, atol=1e-6)
    for a, b in zip(*gradients, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5 * float(b.abs().max()))


@pytest.mark.parametrize('dtype', [torch.float32, torch.float16, torch.bfloat16], ids=str)
def test_local_pod(dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    student = [torch.randn(2, 3, 9, 11), torch.randn(2, 6, 8, 8)]
    teacher = [torch.randn(2, 3, 9, 11), torch.randn(2, 4, 8, 8)]
    student, teacher = ([x.to(dtype) for x in maps] for maps in (student, teacher))
    wide = [x.float().requires_grad_(True) for x in student]
    args = [x.float() for x in teacher], [0.1, 0.2], 4, 6
    both((lambda: local_pod(wide, *args), lambda: plain_losses.local_pod(wide, *args)), wide)
    narrow = [x.requires_grad_(True) for x in student]
    found = torch.autograd.grad(local_pod(narrow, teacher, *args[1:]), narrow)
    expected = torch.autograd.grad(local_pod(wide, *args), wide)
    for a, b in zip(found, expected, strict=True):
        assert a.dtype == dtype
        torch.testing.assert_close(a, b.to(dtype))


@pytest.mark.parametrize('name', range(4))
def test_prototype_losses(name: int) -> None:
    torch.manual_seed(0)
    features = torch.rand(2, 5, 6, 7, requires_grad=True)
    labels = torch.randint(0, 5, (2, 6, 7))
    labels[0, :2] = 255
    prototypes, teacher = torch.rand(5, 5), torch.randn(2, 3, 6, 7)
    old = teacher.argmax(1).masked_fill(labels != 0, 0)
    given = features, labels, prototypes
    ours = (
        lambda: prototype_matching(*given, teacher),
        lambda: feature_attraction(*given),
        lambda: feature_repulsion(*given),
        lambda: feature_sparsity(*given),
    )[name]
    both((ours, lambda: plain_losses.prototype_losses(*given, old)[name]), [features])


def test_equal_maxima_share_the_gradient_as_in_autograd() -> None:
    torch.manual_seed(0)
    features = torch.rand(2, 5, 6, 7).mul(3).round().add(0.5).requires_grad_(True)
    labels = torch.randint(0, 3, (2, 6, 7))

    def by_autograd() -> Tensor:
        flat, chosen = features.flatten(2), labels.flatten(1)
        highest = torch.full((3,), -torch.inf)
        highest = highest.scatter_reduce(0, chosen.flatten(), flat.amax(1).flatten(), 'amax')
        scaled = flat / highest[chosen].unsqueeze(1)
        return (scaled.exp().sum(1) / scaled.sum(1)).mean()

    both((lambda: feature_sparsity(features, labels, torch.zeros(3, 5)), by_autograd), [features])


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16], ids=str)
def test_prototype_losses_in_half_precision(dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    features, labels = torch.rand(2, 5, 6, 7).to(dtype), torch.randint(0, 4, (2, 6, 7))
    given = labels, torch.rand(4, 5)
    for loss in (feature_attraction, feature_repulsion, feature_sparsity):
        gradients = []
        for kind in (dtype, torch.float32):
            x = features.to(kind).requires_grad_(True)
            with torch.autocast('cpu', dtype=torch.bfloat16):
                value = loss(x, *given)
            assert value.dtype == torch.float32
            gradients.append(torch.autograd.grad(value, x)[0])
        torch.testing.assert_close(gradients[0], gradients[1].to(dtype))
