"""GSC as it was rebuilt: PLOP, compensated gradients, relations between classes, labels corrected by prototypes."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from tests.fidelity.compose import ComposedStep, compare, compose
from tests.fidelity.network import Answer, answer
from tests.fidelity.test_plop_family import STAGES, VOID, binned, local_pod, sharpened, uncertainty

METHODS = {'gsc': 'gsc_voc_15-1'}
LAYER = 'backbone.layer4'
OLD, SEEN = 4, 6


def prototypes(step: ComposedStep) -> Tensor:
    """Mean features of background pixels by the old model's prediction, ``(C_old, D)``; NaN where there is none."""
    found: list[list[Tensor]] = [[] for _ in range(OLD)]
    for inputs, target in step.batches:
        with torch.no_grad():
            old = answer(step.old, inputs, [LAYER])
        labels = F.interpolate(target[:, None].double(), old.small.shape[-2:], mode='nearest')[:, 0]
        vectors = old.maps[LAYER].permute(0, 2, 3, 1)
        for number in range(OLD):
            found[number].append(vectors[(labels == 0) & (old.small.argmax(1) == number)])
    return torch.stack([torch.cat(item).mean(0) for item in found])


def corrected(old: Answer, means: Tensor, size: tuple[int, int]) -> Tensor:
    """Scores of the old model less the distances to the prototypes, at the images' size."""
    maps = old.maps[LAYER].permute(0, 2, 3, 1)
    distance = torch.stack([(maps - mean).square().sum(-1).sqrt() for mean in means], 1)
    scores = F.interpolate(old.small - distance.nan_to_num(), size, mode='bilinear', align_corners=False)
    return scores.masked_fill(means.isnan().any(1)[:, None, None], -1e30)


def limits(step: ComposedStep, means: Tensor) -> list[float]:
    """Thresholds by PLOP's rule, of the corrected entropies."""
    pixels: list[list[Tensor]] = [[] for _ in range(OLD)]
    for inputs, target in step.batches:
        with torch.no_grad():
            seen, unsure = uncertainty(corrected(answer(step.old, inputs, [LAYER]), means, target.shape[-2:]), SEEN)
        for number in range(OLD):
            pixels[number].append(unsure[(target == 0) & (seen == number)])
    values = [torch.cat(item) for item in pixels]
    return [binned(item) if len(item) else 0.001 for item in values]


def compensation(logits: Tensor, labels: Tensor) -> Tensor:
    """Weights of pixels: ``|sigmoid - 1| ** (C_old / C)`` over its mean for labels of the base step, 1 for new ones."""
    own = torch.sigmoid(logits.detach()).gather(1, labels.where(labels != VOID, 0)[:, None])[:, 0]
    size = (own - 1).abs() ** (OLD / SEEN)
    of_base = labels < OLD
    return torch.where(of_base, size / size[of_base].mean(), torch.ones_like(size))


def relation(logits: Tensor, teacher: Tensor, labels: Tensor) -> Tensor:
    """A soft target of old probabilities and new labels, and the entropy of the answer."""
    hot = torch.stack([(labels == number).to(logits) for number in range(OLD, SEEN)], 1)
    q = torch.softmax(torch.cat([torch.sigmoid(teacher), hot], 1), 1)
    p = torch.softmax(logits, 1)
    return -(0.3 * (q * p.log()).mean() + 0.1 * (p * p.log()).mean())


def test_loss_and_gradients() -> None:
    run = sharpened(compose(METHODS['gsc']), 8.0)
    step = run.later
    step.move()
    means = prototypes(step)
    new, old = step.answer(*STAGES), step.teacher(*STAGES, LAYER)
    seen, unsure = uncertainty(corrected(old, means, step.target.shape[-2:]), SEEN)
    hidden, sure = step.target < OLD, unsure < torch.tensor(limits(step, means))[seen]
    labels = torch.where(hidden, seen.where(sure, VOID), step.target)
    share = (hidden & sure).sum((1, 2)) / (hidden.sum((1, 2)) + 1e-6)
    assert 0.05 < float(share.mean()) < 0.95 and len(labels[hidden].unique()) > 2
    assert (seen != old.logits.argmax(1)).any()  # the prototypes changed some
    picked = torch.log_softmax(new.logits, 1).gather(1, labels.where(labels != VOID, 0)[:, None])[:, 0]
    weights = compensation(new.logits, labels) * (labels != VOID) * share[:, None, None]
    compare(
        step,
        -(picked * weights).sum() / labels.numel() + local_pod(new, old) + relation(new.logits, old.logits, labels),
    )
