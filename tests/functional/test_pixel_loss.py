"""Tests of losses computed block by block, against the formulas on whole maps."""

from __future__ import annotations

import weakref
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from benchmarks import plain_losses
from mmciss import functional
from mmciss.functional import pixel_loss, resampling

OLD, SEEN, SIZE = 4, 7, (13, 11)
WITH_LABELS = ('unbiased_cross_entropy', 'binary_cross_entropy')
LOSSES = (
    *WITH_LABELS,
    'unbiased_distillation',
    'label_guided_distillation',
    'logit_distillation',
    'sigmoid_distillation',
    'soft_relation',
    'sharp_relation',
)


@pytest.fixture(autouse=True, params=[40, 2**20], ids=['small blocks', 'one block'])
def _block_size(request, monkeypatch) -> None:
    monkeypatch.setitem(resampling.BLOCK_ELEMENTS, 'cpu', request.param)


def inputs(size: tuple[int, int], dtype: torch.dtype = torch.float32) -> tuple[Tensor, ...]:
    """Student and teacher logits of a size, and labels of SIZE with ignored pixels."""
    torch.manual_seed(0)
    target = torch.randint(0, SEEN, (2, *SIZE))
    target[0, 2:5] = 255
    return (torch.randn(2, SEEN, *size).mul(4).to(dtype), torch.randn(2, OLD, *size).mul(4).to(dtype), target)


def arguments(name: str, teacher: Tensor, target: Tensor) -> tuple[Any, ...]:
    """Returns what a distillation gets after the logits."""
    given = {'label_guided_distillation': (teacher, target), 'soft_relation': (teacher, target, OLD)}
    return {**given, 'sharp_relation': ()}.get(name, (teacher,))


def ours(name: str, logits: Tensor, teacher: Tensor, target: Tensor, align: bool = False) -> Tensor:
    """Calls the package's function, upsampling inside it."""
    function = getattr(functional, name)
    if name == 'unbiased_cross_entropy':
        return function(logits, target, OLD, align_corners=align)
    if name == 'binary_cross_entropy':
        return function(logits, target, align_corners=align)
    rest = arguments(name, teacher, target)
    return function(logits, *rest, size=SIZE, align_corners=align)


def gradient(function, logits: Tensor, weight: float = 1.0) -> tuple[Tensor, Tensor]:
    """Returns value and gradient of ``weight`` times a function."""
    logits = logits.detach().clone().requires_grad_(True)
    value = function(logits)
    (weight * value).backward()
    return value.detach(), logits.grad


@pytest.mark.parametrize('name', LOSSES)
@pytest.mark.parametrize('size', [SIZE, (4, 3), (1, 5)], ids=str)
@pytest.mark.parametrize('align', [False, True], ids=['', 'align'])
def test_value_and_gradient_are_those_of_the_formula(name: str, size: tuple[int, int], align: bool) -> None:
    z, teacher, target = inputs(size)

    def plain(x: Tensor) -> Tensor:
        full = (
            F.interpolate(maps, SIZE, mode='bilinear', align_corners=align) if size != SIZE else maps
            for maps in (x, teacher)
        )
        return getattr(plain_losses, name)(*full, target, OLD)

    expected = gradient(plain, z, 3.0)
    found = gradient(lambda x: ours(name, x, teacher, target, align), z, 3.0)
    torch.testing.assert_close(found[0], expected[0], rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(found[1], expected[1], rtol=1e-5, atol=1e-5 * float(expected[1].abs().max()))


@pytest.mark.parametrize('name', LOSSES)
@pytest.mark.parametrize('size', [SIZE, (4, 3)], ids=str)
@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16], ids=str)
def test_half_precision_is_computed_in_single(name: str, size: tuple[int, int], dtype: torch.dtype) -> None:
    z, teacher, target = inputs(size, dtype)
    expected = gradient(lambda x: ours(name, x, teacher.float(), target), z.float())
    with torch.autocast('cpu', dtype=torch.bfloat16):
        found = gradient(lambda x: ours(name, x, teacher, target), z)
    assert found[0].dtype == torch.float32 and found[1].dtype == dtype
    torch.testing.assert_close(found[0], expected[0])
    torch.testing.assert_close(found[1].float(), expected[1].to(dtype).float())


@pytest.mark.parametrize('name', LOSSES)
@pytest.mark.parametrize('size', [SIZE, (4, 3)], ids=str)
def test_gradcheck(name: str, size: tuple[int, int]) -> None:
    z, teacher, target = (x[:1, ..., :4] for x in inputs(size, torch.float64))
    grid = target.shape[-2:]

    def loss(x: Tensor) -> Tensor:
        function = getattr(functional, name)
        if name in WITH_LABELS:
            return function(x, target, *([OLD] if 'unbiased' in name else []))
        rest = arguments(name, teacher, target)
        return function(x, *rest, size=grid)

    assert torch.autograd.gradcheck(loss, (z.clone().requires_grad_(True),), fast_mode=True)


@pytest.mark.parametrize('name', LOSSES)
@pytest.mark.parametrize('size', [SIZE, (4, 3)], ids=str)
def test_inputs_stay_and_a_graph_can_be_used_twice(name: str, size: tuple[int, int]) -> None:
    z, teacher, target = inputs(size)
    kept = [x.clone() for x in (z, teacher, target)]
    z.requires_grad_(True)
    loss = ours(name, z, teacher, target)
    (first,) = torch.autograd.grad(loss, z, retain_graph=True)
    (second,) = torch.autograd.grad(2 * loss, z)
    torch.testing.assert_close(second, 2 * first)
    assert all(torch.equal(x, y) for x, y in zip((z, teacher, target), kept, strict=True))


@pytest.mark.parametrize('name', LOSSES)
def test_without_gradients_there_is_no_graph(name: str) -> None:
    z, teacher, target = inputs((4, 3))
    assert not ours(name, z, teacher, target).requires_grad
    with torch.no_grad():
        assert not ours(name, z.requires_grad_(True), teacher, target).requires_grad


@pytest.mark.parametrize('size', [SIZE, (4, 3)], ids=str)
def test_channels_last_logits(size: tuple[int, int]) -> None:
    z, teacher, target = inputs(size)
    expected = gradient(lambda x: ours('unbiased_distillation', x, teacher, target), z)
    found = gradient(
        lambda x: ours('unbiased_distillation', x, teacher, target), z.to(memory_format=torch.channels_last)
    )
    for a, b in zip(found, expected, strict=True):
        torch.testing.assert_close(a, b)


@pytest.mark.parametrize('level', [-200.0, 200.0])
@pytest.mark.parametrize('channel', range(SEEN))
def test_improbable_channels_keep_value_and_gradient(level: float, channel: int) -> None:
    """One channel far from the others: no overflow, and the gradient of float64."""
    z, teacher, target = inputs((4, 3))
    z[:, channel] += level
    for name in LOSSES:
        found = gradient(lambda x: ours(name, x, teacher, target), z)
        expected = gradient(lambda x: ours(name, x, teacher.double(), target), z.double())
        for a, b in zip(found, expected, strict=True):
            torch.testing.assert_close(a.double(), b, rtol=1e-5, atol=1e-5)


def test_memory_does_not_grow_with_the_number_of_losses() -> None:
    """The graph of a loss on upsampled logits keeps nothing larger than one channel at full size."""
    kept: list[weakref.ref[Tensor]] = []

    def pack(x: Tensor) -> Tensor:
        kept.append(weakref.ref(x))
        return x

    z, teacher, target = inputs((4, 3))
    with torch.autograd.graph.saved_tensors_hooks(pack, lambda x: x):
        loss = sum(ours(name, z.requires_grad_(True), teacher, target) for name in LOSSES)
    alive = [x.numel() for x in (reference() for reference in kept) if x is not None]
    assert loss.requires_grad and len(alive) < len(kept) and max(alive) <= max(target.numel(), z.numel())


def test_a_map_of_losses() -> None:
    z, _, target = inputs(SIZE)
    found = pixel_loss.pixel_losses(lambda scores, label: label * scores.sum(0), z.requires_grad_(True), (target,))
    torch.testing.assert_close(found, target * z.sum(1))
    upstream = torch.randn_like(found)
    (gradient,) = torch.autograd.grad(found, z, upstream)
    torch.testing.assert_close(gradient, (target * upstream).unsqueeze(1).expand_as(z))


@pytest.mark.parametrize('dtype', [torch.float32, torch.bfloat16], ids=str)
@pytest.mark.parametrize('size', [SIZE, (4, 3)], ids=str)
def test_totals_of_groups_of_channels(size: tuple[int, int], dtype: torch.dtype) -> None:
    """Each total is that of the upsampled scores, the gradient autograd's; a group may be empty."""
    z, _, target = inputs(size, dtype)
    label = target.masked_fill(target == 255, 0)
    sizes = (OLD, 0, SEEN - OLD)
    cases = {
        'log-sum-exp': (pixel_loss.LOG_SUM_EXP, lambda part: part.logsumexp(1)),
        'softplus': (pixel_loss.SOFTPLUS, lambda part: F.softplus(part).sum(1)),
    }
    for name, (total, plain) in cases.items():
        ours, theirs = (z.clone().requires_grad_(True) for _ in range(2))
        full = theirs.float()
        full = full if size == SIZE else F.interpolate(full, SIZE, mode='bilinear')
        expected = [full.gather(1, label.unsqueeze(1))[:, 0], *(plain(part) for part in full.split(sizes, 1))]
        found = pixel_loss.channel_totals(total, ours, label, sizes)
        assert len(found) == 4 and (found[2] == (-torch.inf if name == 'log-sum-exp' else 0)).all()
        factors = [torch.randn_like(found[0]) for _ in range(3)]
        for maps in (found, expected):
            kept = (maps[0], maps[1], maps[3])
            sum((factor * item).sum() for factor, item in zip(factors, kept, strict=True)).backward()
        for a, b in zip(found, expected, strict=True):
            torch.testing.assert_close(a, b)
        assert ours.grad is not None and ours.grad.dtype == dtype
        torch.testing.assert_close(ours.grad, theirs.grad)
