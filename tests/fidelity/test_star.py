"""STAR and STAR-M, composed from their recipes: what is kept of old classes, how much is replayed, the three losses."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from tests.fidelity.compose import ComposedStep, Composition, batch, compare, compose
from tests.fidelity.network import answer
from tests.fidelity.test_decomposed import new_classes

METHODS = {'star': ('star_voc_15-1', 'star_ade_100-50'), 'star_m': ('star_m_voc_15-1',)}
RECIPES = [recipe for recipes in METHODS.values() for recipe in recipes]
PREFIX = 'decode_head.conv_seg'
LOGIT = 0.5
"""What the old model's raw score must exceed in the release."""
Sites = dict[int, list[Tensor]]


def composed(recipe: str) -> Composition:
    """The two steps, the second on images of which the base step claims a quarter for each class."""
    run = compose(recipe)
    bias = dict(run.base.model.segmentor.named_parameters())[f'{PREFIX}.steps.0.bias']
    network = run.base.model.segmentor.eval()
    images = torch.cat([batch([0, *range(6), 255], run.seed + 100 + index)[0] for index in range(3)])
    with torch.no_grad():
        bias -= answer(network, images).logits.transpose(0, 1).flatten(1).quantile(0.75, 1) - LOGIT
    run.base.model.train()
    return run


def centre(labels: Tensor) -> Tensor:
    """Every sixteenth pixel, the one in the middle of its cell."""
    return labels[:, 8::16, 8::16]


def seen(logits: Tensor) -> Tensor:
    """The old model's class, 0 where no score is large enough."""
    best, number = logits[:, 1:].max(1)
    return (number + 1) * (best > LOGIT)


@torch.no_grad()
def sites_of(network: Any, batches: list[tuple[Tensor, Tensor]]) -> Sites:
    """The embeddings of every label, site by site."""
    found: Sites = {}
    for inputs, target in batches:
        embedding = answer(network, inputs).embedding
        for vectors, labels in zip(embedding, centre(target), strict=True):
            for row, column in torch.cartesian_prod(*map(torch.arange, labels.shape)):
                found.setdefault(int(labels[row, column]), []).append(vectors[:, row, column])
    return found


def distribution(vectors: list[Tensor]) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Prototype, spread, mean and deviation of the norms of one class, in the release's two passes."""
    norms = torch.stack([vector.norm() for vector in vectors])
    units = torch.stack([vector / vector.norm() for vector in vectors])
    prototype = units.sum(0) / units.sum(0).norm()
    return prototype, (units - prototype).square().mean(0).sqrt(), norms.mean(), norms.std()


class Kept:
    """What the base step leaves, and how much of it the next step replays."""

    def __init__(self, run: Composition) -> None:
        step = run.later
        sites = sites_of(step.old, run.base.batches)
        self.counts = [len(sites.get(number, [])) for number in range(4)]
        self.classes = {number: distribution(sites[number]) for number in (1, 2, 3)}
        found = [0] * 4
        images = 0
        for inputs, target in step.batches:
            with torch.no_grad():
                predicted = centre(seen(answer(step.old, inputs).logits))
            for number in range(4):
                found[number] += int(((predicted == number) & (centre(target) == 0)).sum())
            images += len(inputs)
        iterations = images // len(step.inputs)
        self.amounts = {c: max(0, int((self.counts[c] - found[c]) / iterations)) for c in (1, 2, 3)}
        self.ratio = max(0.0, self.counts[0] * (1 - 0.01 * 2) / found[0] - 0.5)
        self.next_background = 0.5 * found[0] + self.counts[0] * (1 - 0.01 * 2)

    def draw(self, seed: int) -> Tensor:
        """Replayed embeddings: the direction's noise first, then the norm's, for each channel."""
        torch.manual_seed(seed)
        rows = [self.classes[c] for c, amount in self.amounts.items() for _ in range(amount)]
        prototype, spread = (torch.stack([row[index] for row in rows]) for index in (0, 1))
        mean, deviation = (torch.stack([row[index] for row in rows])[:, None] for index in (2, 3))
        first = torch.randn(prototype.shape, dtype=torch.float64)
        second = torch.randn(prototype.shape, dtype=torch.float64)
        return (prototype + spread * first) * (mean + deviation * second)


def no(scores: Tensor) -> Tensor:
    """The cost of answering no, averaged over embeddings, summed over classes."""
    return -F.logsigmoid(-scores).mean(0).sum()


def reference(step: ComposedStep, kept: Kept, weight: float) -> Tensor:
    """The loss of a later step, from the formulas."""
    new, old = step.answer(), step.teacher()
    predicted = seen(old.logits)
    rows = dict(step.model.segmentor.named_parameters())
    weights, bias = rows[f'{PREFIX}.steps.1.weight'][:, :, 0, 0], rows[f'{PREFIX}.steps.1.bias']
    drawn = kept.draw(step.seed)
    sites = new.embedding.permute(0, 2, 3, 1)[centre((step.target == 0) & (predicted == 0))]
    number = new.embedding[:, 0].numel()
    w_f, w_b = len(drawn) / number, kept.ratio * len(sites) / number
    assert w_f > 0 and w_b > 0 and len(sites) < number, 'the batch shows all cases'
    plain = new_classes(new.logits, step.target, range(4, 6), weight, True)
    total = (plain + w_f * no(drawn @ weights.T + bias) + w_b * no(sites @ weights.T + bias)) / (1 + w_f + w_b)

    mask = ((step.target == 0) & (predicted > 0)).double()[:, None]
    soft = F.interpolate(mask, new.embedding.shape[-2:], mode='bilinear', align_corners=False)
    assert soft.sum() > 0
    change = (soft * (new.embedding - old.embedding) ** 2).sum() / (new.embedding.shape[1] * soft.sum())

    units = new.embedding / new.embedding.norm(dim=1, keepdim=True)
    terms = []
    for c in (4, 5):
        member = F.interpolate(
            (step.target == c).double()[:, None], units.shape[-2:], mode='bilinear', align_corners=False
        )
        centre_of_class = (member * units).sum((0, 2, 3))
        centre_of_class = centre_of_class / centre_of_class.norm()
        terms.append(1 / min((centre_of_class - kept.classes[old][0]).norm() for old in (1, 2, 3)))
    return total + 5 * change + 0.05 * sum(terms) / 2


@pytest.mark.parametrize('recipe', RECIPES)
def test_loss(recipe: str) -> None:
    run = composed(recipe)
    weight = 30.0 if '_ade_' in recipe else 4.0
    compare(run.base, new_classes(run.base.answer().logits, run.base.target, range(1, 4), weight, True))
    step = run.later
    kept = Kept(run)
    replay = step.model.shared['replay']
    for c, expected in kept.classes.items():
        for name, value in zip(('prototype', 'spread', 'norm_mean', 'norm_std'), expected, strict=True):
            torch.testing.assert_close(getattr(replay, name)[c], value, rtol=1e-7, atol=1e-9)
    assert replay.counts[:4].tolist() == kept.counts
    step.move()
    compare(step, reference(step, kept, weight))
    grad = torch.autograd.grad(
        step.loss()['loss'], [step.parameters()[f'{PREFIX}.steps.0.{leaf}'] for leaf in ('weight', 'bias')]
    )
    assert not any(item.any() for item in grad), 'old rows only decay'
    step.leave()
    assert replay.counts[0] == pytest.approx(kept.next_background)
    assert replay.counts[:4][1:].tolist() == kept.counts[1:] and (replay.counts[4:] > 0).all()


@pytest.mark.parametrize('recipe', RECIPES)
def test_start_and_groups(recipe: str) -> None:
    """New rows are drawn, norms and dropout rest later, and every part learns as released."""
    step = compose(recipe).later
    assert not any(
        module.training
        for module in step.model.segmentor.modules()
        if isinstance(module, torch.nn.BatchNorm2d | torch.nn.Dropout)
    )
    new = step.start[f'{PREFIX}.steps.1.weight']
    assert new.abs().max() > new.shape[1] ** -0.5, 'normal and not uniform'
    assert not any('.bn' in name for name in step.parameters())
    rate = 2.5e-3 if '_ade_' in recipe else 1e-3
    names = {id(value): name for name, value in step.parameters().items()}
    for group in step.runner.optim_wrapper.optimizer.param_groups:
        for name in (names[id(parameter)] for parameter in group['params'] if id(parameter) in names):
            factor = 0.1 if name.startswith('backbone') else 10 if '.steps.1.' in name else 1
            assert group['lr'] == pytest.approx(rate * factor), name
            assert group['weight_decay'] == 1e-4, name
