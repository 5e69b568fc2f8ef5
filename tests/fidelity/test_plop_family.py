"""PLOP, PLOP + AWT and PLOP + LGKD: distillation, the release's thresholds and pseudo labels, and the start of rows."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from tests.fidelity.compose import DOMAINS, ComposedStep, Composition, compare, compose
from tests.fidelity.network import Answer, answer
from tests.fidelity.test_attribution import channel_masks
from tests.fidelity.test_mib_family import guided_kd, pixel_mean_ce

VOID = 255
STAGES = [f'backbone.layer{stage}.{last}.relu:input' for stage, last in zip((1, 2, 3, 4), (2, 3, 5, 2), strict=True)]
"""Residual sums of the last block of every stage of a ResNet-50, before the activation."""


def uncertainty(teacher: Tensor, channels: int) -> tuple[Tensor, Tensor]:
    """The old class and how unsure it is: entropy, divided by what it can be, twice, as released."""
    old = teacher.shape[1]
    q = torch.softmax(teacher, 1)
    entropy = -(q * (q + 1e-8).log()).mean(1) / math.log(old)
    return q.argmax(1), entropy / math.log(channels)


def binned(values: Tensor) -> float:
    """The release's walk over 100 bins: it adds a bin's index where its count is meant."""
    counts = [0] * 100
    for value in values.tolist():
        counts[min(99, int(100 * value))] += 1
    half, passed = len(values) / 2, 0.0
    for number in range(100):
        lower = number / 100
        index = int(lower * 100)
        if passed <= half <= passed + counts[index]:
            break
        passed += lower * 100
    inside = (half - passed) / counts[index] if counts[index] else math.copysign(math.inf, half - passed)
    return max(lower + inside * 0.01, 0.001)


def thresholds(step: ComposedStep) -> list[float]:
    """How sure the old model must be of each old class, from one pass over the step's images."""
    found: list[list[Tensor]] = [[] for _ in range(4)]
    for inputs, target in step.batches:
        with torch.no_grad():
            seen, unsure = uncertainty(answer(step.old, inputs).logits, 6)
        for number in range(4):
            found[number].append(unsure[(target == 0) & (seen == number)])
    values = [torch.cat(item) for item in found]
    return [binned(item) if len(item) else 0.001 for item in values]


def pseudo_cross_entropy(step: ComposedStep, logits: Tensor, teacher: Tensor, limit: list[float]) -> Tensor:
    """Cross entropy on completed labels; an image counts as much as its background is sure."""
    seen, unsure = uncertainty(teacher, 6)
    hidden = step.target < 4
    sure = unsure < torch.tensor(limit)[seen]
    labels = torch.where(hidden, seen.where(sure, VOID), step.target)
    share = (hidden & sure).sum((1, 2)) / (hidden.sum((1, 2)) + 1e-6)
    assert 0.05 < float(share.mean()) < 0.95, limit
    picked = torch.log_softmax(logits, 1).gather(1, labels.where(labels != VOID, 0)[:, None])[:, 0]
    return -(picked * (labels != VOID) * share[:, None, None]).sum() / labels.numel()


def strips(maps: Tensor) -> Tensor:
    """Means over width and over height of the squares of a map, cut in 1, 4 and 16 parts, ``(N, ...)``."""
    parts = []
    for scale in (1, 2, 4):
        side = maps.shape[-1] // scale
        for i in range(scale):
            for j in range(scale):
                region = maps[:, :, i * side : (i + 1) * side, j * side : (j + 1) * side]
                parts += [region.mean(3).flatten(1), region.mean(2).flatten(1)]
    return torch.cat(parts, 1)


def local_pod(new: Answer, old: Answer, factor: float = 0.01, logits_factor: float = 0.0005) -> Tensor:
    """Distances of pooled squares of five maps and of the logits, where new classes count as background."""
    num_new = new.small.shape[1] - 4
    merged = torch.cat([new.small[:, :1] + new.small[:, 4:].sum(1, keepdim=True), new.small[:, 1:4]], 1)
    pairs = [(new.maps[name], old.maps[name], factor) for name in STAGES]
    pairs += [(new.embedding, old.embedding, factor), (merged, old.small, logits_factor)]
    total = merged.new_zeros(())
    for a, b, weight in pairs:
        distance = (strips(a.square()) - strips(b.square())).square().sum(1).sqrt().mean()
        total = total + weight * (math.sqrt(6 / 2) if num_new else 1.0) * distance
    return total / len(pairs)


@torch.no_grad()
def sharpened(run: Composition, factor: float = 5.0) -> Composition:
    """Makes the base step's model sure of most pixels, so that one bin holds half of a class."""
    for parameter in run.base.model.segmentor.decode_head.conv_seg.parameters():
        parameter *= factor
    return run


def plop(step: ComposedStep, factors: tuple[float, float]) -> Tensor:
    """PLOP."""
    new, old = step.answer(*STAGES), step.teacher(*STAGES)
    return pseudo_cross_entropy(step, new.logits, old.logits, thresholds(step)) + local_pod(new, old, *factors)


@pytest.mark.parametrize(
    ('recipe', 'method', 'factors'),
    [
        ('plop_voc_15-1', 'plop', (0.01, 0.0005)),
        ('plop_voc_15-1', 'awt_plop', (0.01, 0.0005)),
        ('plop_ade_100-50', None, (0.001, 0.00001)),
    ],
)
def test_loss_and_gradients(recipe: str, method: str | None, factors: tuple[float, float]) -> None:
    run = sharpened(compose(recipe, method))
    run.later.move()
    compare(run.later, plop(run.later, factors))


@pytest.mark.parametrize(
    ('recipe', 'factors', 'weights'),
    [
        ('lgkd_voc_15-1', (0.01, 0.0005), (1.0, 0.0)),
        ('lgkd_voc_15-5', (0.01, 0.0005), (5.0, 1.0)),
        ('lgkd_ade_100-50', (0.001, 0.00001), (1.0, 20.0)),
    ],
)
def test_label_guided(recipe: str, factors: tuple[float, float], weights: tuple[float, float]) -> None:
    """PLOP, and LGKD's distillation with the labels as they are given."""
    run = sharpened(compose(recipe))
    run.later.move()
    new, old = run.later.answer(), run.later.teacher()
    guided = guided_kd(new.small, old.small, run.later.target, *weights)
    compare(run.later, plop(run.later, factors) + guided)


@pytest.mark.parametrize(
    ('recipe', 'factors'),
    [('plop_cityscapes-domain_11-1', (0.0001, 0.0001)), ('plop_cityscapes-domain_1-1', (0.0001, 0.001))],
)
def test_domains(recipe: str, factors: tuple[float, float]) -> None:
    """Nothing hides in a background: cross entropy and local POD."""
    run = compose(recipe, steps=DOMAINS)
    run.later.move()
    new, old = run.later.answer(*STAGES), run.later.teacher(*STAGES)
    compare(run.later, pixel_mean_ce(new.logits, run.later.target) + local_pod(new, old, *factors))


@pytest.mark.parametrize('recipe', ['plop_voc_15-1', 'lgkd_voc_15-1'])
def test_start(recipe: str) -> None:
    """MiB's rows."""
    run = compose(recipe)
    weight, bias = run.base.rows(), run.base.rows('bias')
    shared = bias[:1] - math.log(3)
    torch.testing.assert_close(run.later.rows(), torch.cat([weight, weight[:1], weight[:1]]))
    torch.testing.assert_close(run.later.rows('bias'), torch.cat([shared, bias[1:], shared, shared]))


def test_start_with_attribution() -> None:
    """The random rows and the background's channels that the attribution chose."""
    run = compose('plop_voc_15-1', 'awt_plop')
    random = compose('plop_voc_15-1', 'awt_plop', method__initializer=None).later
    masks = channel_masks(run.later, [(4,), (5,)])[:, :, None, None]
    expected = torch.cat([run.base.rows(), random.rows()[4:] + masks * run.base.rows()[:1]])
    torch.testing.assert_close(run.later.rows(), expected)
    torch.testing.assert_close(run.later.rows('bias'), random.rows('bias'))


def test_binned_rule_is_not_the_median() -> None:
    """It adds bin numbers to a count, so it stops at once where one bin holds half, and far off elsewhere."""
    generator = torch.Generator().manual_seed(0)
    values = torch.rand(1000, generator=generator) * 0.3
    assert abs(binned(values / 40) - 0.0050) < 1e-4 and abs(float((values / 40).median()) - 0.0037) < 3e-4
    assert binned(values) in (0.001, math.inf)
