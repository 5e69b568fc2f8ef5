"""What followed STAR, composed from their recipes: STAR's second version, Adapter and CoGaMiD."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from scipy.optimize import minimize
from torch import Tensor

from tests.fidelity.compose import ComposedStep, Composition, compare
from tests.fidelity.network import answer
from tests.fidelity.test_decomposed import new_classes
from tests.fidelity.test_star import PREFIX, centre, composed, no, seen, sites_of

METHODS = {
    'star_sphere': ('star_sphere_voc_15-1', 'star_sphere_ade_100-50'),
    'star_lite': ('star_lite_voc_15-1', 'star_lite_ade_100-50'),
    'adapter': ('adapter_voc_15-1', 'adapter_ade_100-50'),
    'cogamid': ('cogamid_voc_15-1', 'cogamid_ade_100-50'),
}


def plain(step: ComposedStep, weight: float) -> Tensor:
    """The cross-entropy of the images, void a negative example."""
    return new_classes(step.answer().logits, step.target, range(4, 6), weight, True)


def replayed(step: ComposedStep, drawn: Tensor, ratio: float, weight: float) -> Tensor:
    """STAR's weighted mean of the images, the drawn embeddings and the background sites."""
    new, old = step.answer(), step.teacher()
    rows = dict(step.model.segmentor.named_parameters())
    weights, bias = rows[f'{PREFIX}.steps.1.weight'][:, :, 0, 0], rows[f'{PREFIX}.steps.1.bias']
    sites = new.embedding.permute(0, 2, 3, 1)[centre((step.target == 0) & (seen(old.logits) == 0))]
    number = new.embedding[:, 0].numel()
    w_f, w_b = len(drawn) / number, ratio * len(sites) / number
    assert w_f > 0 and w_b > 0
    cost = plain(step, weight) + w_f * no(drawn @ weights.T + bias) + w_b * no(sites @ weights.T + bias)
    return cost / (1 + w_f + w_b)


def kept_where_old(step: ComposedStep, new: Tensor, old: Tensor) -> Tensor:
    """The mean square of a change where the old model sees an old class in the background."""
    mask = ((step.target == 0) & (seen(step.teacher().logits) > 0)).double()[:, None]
    soft = F.interpolate(mask, new.shape[-2:], mode='bilinear', align_corners=False)
    return (soft * (new - old) ** 2).sum() / (new.shape[1] * soft.sum())


def apart(step: ComposedStep, prototypes: dict[int, Tensor]) -> Tensor:
    """One over the distance of each new class to the nearest prototype."""
    embedding = step.answer().embedding
    units = embedding / embedding.norm(dim=1, keepdim=True)
    terms = []
    for number in (4, 5):
        member = (step.target == number).double()[:, None]
        member = F.interpolate(member, units.shape[-2:], mode='bilinear', align_corners=False)
        middle = F.normalize((member * units).sum((0, 2, 3)), dim=0)
        terms.append(1 / min((middle - prototype).norm() for prototype in prototypes.values()))
    return sum(terms) / 2


def unsure(step: ComposedStep) -> Tensor:
    """The second class of unsure pixels goes down, pixel by pixel."""
    scores = step.answer().logits[:, 1:].sigmoid()
    first, number = scores.max(1)
    others = scores.masked_fill(F.one_hot(number, 5).movedim(-1, 1).bool(), -1)
    second = others.amax(1)
    wrong = (step.target != number + 1) & (first <= 0.7)
    return (wrong * (1 - first.detach() + second) ** 2).mean()


def counted(run: Composition) -> tuple[list[int], list[int], int, int]:
    """Sites of each class in the base step and, by the old model, in the next one's background; labelled; images."""
    step = run.later
    sites = sites_of(step.old, run.base.batches)
    found, labelled, images = [0] * 4, 0, 0
    for inputs, target in step.batches:
        with torch.no_grad():
            predicted = centre(seen(answer(step.old, inputs).logits))
        for number in range(4):
            found[number] += int(((predicted == number) & (centre(target) == 0)).sum())
        labelled += int((centre(target) >= 4).sum() - (centre(target) == 255).sum())
        images += len(inputs)
    return [len(sites.get(number, [])) for number in range(4)], found, labelled, images


def amounts(run: Composition, adaptive: bool) -> tuple[list[int], float]:
    """How many embeddings of each class are drawn, and the weight of a background site."""
    counts, found, labelled, images = counted(run)
    iterations = images // len(run.later.inputs)
    if not adaptive:
        return [0, *(int(counts[c] / iterations) for c in (1, 2, 3))], counts[0] / found[0]
    rho = min(1.0, max(found[c] / counts[c] for c in (1, 2, 3)))
    ratio = max(0.0, (counts[0] * (1 - 0.01 * 2) - rho * labelled) / found[0])
    return [0, *(max(1, int((counts[c] - found[c]) / iterations)) for c in (1, 2, 3))], ratio


def distributions(run: Composition) -> tuple[dict[int, Tensor], dict[int, Tensor], Any]:
    """Prototypes and spreads of the base step, and norms."""
    sites = sites_of(run.later.old, run.base.batches)
    units = {c: torch.stack([vector / vector.norm() for vector in sites[c]]) for c in (1, 2, 3)}
    prototypes = {c: F.normalize(item.sum(0), dim=0) for c, item in units.items()}
    spreads = {c: (units[c] - prototypes[c]).square().mean(0).sqrt() for c in units}
    norms = {c: torch.stack([vector.norm() for vector in sites[c]]) for c in units}
    return prototypes, spreads, norms


def weight_of(recipe: str) -> float:
    return 30.0 if '_ade_' in recipe else 4.0


def from_rows(run: Composition) -> tuple[dict[int, Tensor], Tensor]:
    """Prototypes of the old classes from the old rows and the old model's predictions, and their mean distance."""
    old = run.later.old
    parameters = dict(old.named_parameters())
    weight, bias = parameters[f'{PREFIX}.steps.0.weight'][1:4, :, 0, 0], parameters[f'{PREFIX}.steps.0.bias'][1:4]
    weight, bias = weight.detach(), bias.detach()
    sums = torch.zeros(4, weight.shape[1], dtype=torch.float64)
    for inputs, _ in run.later.batches:
        with torch.no_grad():
            output = answer(old, inputs)
        units = F.normalize(output.embedding, dim=1).movedim(1, -1)
        for number in (1, 2, 3):
            sums[number] += units[centre(seen(output.logits)) == number].sum(0)
    prototypes = {}
    for number in (1, 2, 3):
        goal = torch.zeros(3, dtype=torch.float64)
        goal[number - 1] = 1

        def cost(x: np.ndarray, goal: Tensor = goal) -> tuple[float, np.ndarray]:
            point = torch.tensor(x, requires_grad=True)
            value = F.binary_cross_entropy_with_logits(weight @ point + bias, goal, reduction='sum')
            value = value + 1e-3 / 2 * point.square().sum()
            (slope,) = torch.autograd.grad(value, point)
            return value.item(), slope.numpy()

        found = minimize(
            cost,
            np.ones(weight.shape[1]),
            jac=True,
            method='L-BFGS-B',
            bounds=[(0, None)] * weight.shape[1],
            options=dict(maxiter=10_000, ftol=0, gtol=1e-12),
        )
        surest = F.normalize(torch.tensor(found.x), dim=0)
        prototypes[number] = F.normalize(surest + F.normalize(sums[number], dim=0), dim=0)
    distances = [
        min((item - other).norm() for key, other in prototypes.items() if key != number)
        for number, item in prototypes.items()
    ]
    return prototypes, sum(distances) / 3


@pytest.mark.parametrize('recipe', [*METHODS['star_sphere'], *METHODS['star_lite']])
def test_sphere(recipe: str) -> None:
    run = composed(recipe)
    step = run.later
    if 'lite' in recipe:
        prototypes, distance = from_rows(run)
    else:
        prototypes, spreads, _ = distributions(run)
        distance = sum(spread.square().sum().sqrt() for spread in spreads.values()) / 3
    step.move()
    numbers, ratio = amounts(run, adaptive=False)
    embedding = step.answer().embedding.detach()
    norm = embedding.norm(dim=1).mean()
    rows = torch.stack([prototypes[c] for c in (1, 2, 3) for _ in range(numbers[c])])
    torch.manual_seed(step.seed)
    delta = (distance * torch.randn(len(rows), 1, dtype=torch.float64)).abs().clamp(max=1.999)
    noise = torch.rand(rows.shape, dtype=torch.float64) - 0.5
    tangent = F.normalize(noise - (noise * rows).sum(1, keepdim=True) * rows, dim=1)
    angle = 2 * torch.asin(delta / 2)
    drawn = norm * (torch.cos(angle) * rows + torch.sin(angle) * tangent)
    new, old = step.answer().embedding, step.teacher().embedding
    expected = replayed(step, drawn, ratio, weight_of(recipe)) + 5 * kept_where_old(step, new, old)
    compare(step, expected + 0.05 * apart(step, prototypes), 1e-6 if 'lite' in recipe else 1e-9)
    counts, found, *_ = counted(run)
    step.leave()
    replay = step.model.shared['replay']
    assert replay.counts[:4].tolist() == pytest.approx([found[0] + counts[0], *counts[1:]])


@pytest.mark.parametrize('recipe', METHODS['adapter'])
def test_adapter(recipe: str) -> None:
    run = composed(recipe)
    step = run.later
    prototypes, spreads, norms = distributions(run)
    step.move()
    numbers, ratio = amounts(run, adaptive=True)
    torch.manual_seed(step.seed)
    which = [c for c in (1, 2, 3) for _ in range(numbers[c])]
    shape = (len(which), 8)
    first, second = (torch.randn(shape, dtype=torch.float64) for _ in range(2))
    mean, deviation = (torch.stack([item(norms[c]) for c in which])[:, None] for item in (torch.mean, torch.std))
    directions = torch.stack([prototypes[c] for c in which]) + torch.stack([spreads[c] for c in which]) * first
    drawn = directions * (mean + deviation * second)
    new, old = step.answer().embedding, step.teacher().embedding
    expected = replayed(step, drawn, ratio, weight_of(recipe)) + 5 * kept_where_old(step, new, old)
    compare(step, expected + 0.05 * apart(step, prototypes) + 0.1 * unsure(step))


@pytest.mark.parametrize('recipe', METHODS['adapter'])
def test_adapter_moves_prototypes(recipe: str) -> None:
    run = composed(recipe)
    step = run.later
    prototypes, spreads, _ = distributions(run)
    counts = counted(run)[0]
    with torch.no_grad():  # surer answers, or no site is far ahead
        for network in (step.old, step.model.segmentor, step.model.teacher.segmentor):
            for leaf in ('weight', 'bias'):
                dict(network.named_parameters())[f'{PREFIX}.steps.0.{leaf}'].mul_(20)
        step.parameters()[f'{PREFIX}.steps.1.bias'].sub_(10)
    step.move(0.01)
    sums = {c: [0.0, 0.0, 0] for c in (1, 2, 3)}
    network = step.model.segmentor.eval()
    for inputs, target in step.batches:
        with torch.no_grad():
            answers = [answer(item, inputs) for item in (step.old, network)]
        picks = []
        for item in answers:
            scores = item.logits[:, 1:].sigmoid()
            top = scores.sort(1, descending=True)
            picks.append(centre((top.indices[:, 0] + 1) * (top.values[:, 0] - top.values[:, 1] > 0.7)))
        for c, total in sums.items():
            chosen = (centre(target) == 0) & (picks[0] == c) & (picks[1] == c)
            for place, item in enumerate(answers):
                total[place] = total[place] + F.normalize(item.embedding, dim=1).movedim(1, -1)[chosen].sum(0)
            total[2] += int(chosen.sum())
    step.leave()
    replay = step.model.shared['replay']
    assert sum(total[2] for total in sums.values())
    for c, (before, after, number) in sums.items():
        move = 0.0
        if number:
            move = min(1.0, number / counts[c]) * (F.normalize(after, dim=0) - F.normalize(before, dim=0))
        torch.testing.assert_close(replay.prototype[c], prototypes[c] + move, rtol=1e-7, atol=1e-9)
        torch.testing.assert_close(replay.spread[c], spreads[c] + abs(move), rtol=1e-7, atol=1e-9)


def log_densities(vectors: Tensor, replay: Any) -> Tensor:
    """Log density of vectors ``(S, D)`` under the mixture of each old class, one Gaussian after the other."""
    columns = []
    for c in (1, 2, 3):
        gaussians = []
        for share, mean, variance in zip(
            replay.sampler.weight[c], replay.sampler.mean[c], replay.sampler.variance[c], strict=True
        ):
            if share:
                normal = torch.distributions.Normal(mean, variance.sqrt())
                gaussians.append(share.log() + normal.log_prob(vectors).sum(1))
        columns.append(torch.stack(gaussians).logsumexp(0))
    return torch.stack(columns, 1)


@pytest.mark.parametrize('recipe', METHODS['cogamid'])
def test_cogamid(recipe: str) -> None:
    run = composed(recipe)
    step = run.later
    replay = step.model.shared['replay']
    sites = sites_of(step.old, run.base.batches)
    prototypes = {}
    for c in (1, 2, 3):
        # Whatever the fit, expectation maximisation keeps the mean of what it is fitted to.
        middle = (replay.sampler.weight[c][:, None] * replay.sampler.mean[c]).sum(0)
        prototypes[c] = middle / middle.norm()
    step.move()
    numbers, ratio = amounts(run, adaptive=True)
    assert {c: len(sites[c]) for c in (1, 2, 3)} == {c: int(replay.counts[c]) for c in (1, 2, 3)}
    torch.manual_seed(step.seed)
    which = torch.tensor([c for c in (1, 2, 3) for _ in range(numbers[c])])
    gaussian = torch.multinomial(replay.sampler.weight[which], 1)[:, 0]
    noise = torch.randn(len(which), 8, dtype=torch.float64)
    drawn = replay.sampler.mean[which, gaussian] + replay.sampler.variance[which, gaussian].sqrt() * noise
    new, old = step.answer().embedding, step.teacher().embedding

    def relative(embedding: Tensor) -> Tensor:
        vectors = embedding.movedim(1, -1)
        densities = log_densities(vectors.reshape(-1, 8), replay)
        return (densities / densities.norm(dim=1, keepdim=True)).view(*vectors.shape[:3], 3).movedim(-1, 1)

    expected = replayed(step, drawn, ratio, weight_of(recipe))
    expected = expected + 5 * kept_where_old(step, new, old) + 5 * kept_where_old(step, relative(new), relative(old))
    compare(step, expected + 0.05 * apart(step, prototypes) + 0.1 * unsure(step), 1e-7)
    step.leave()
    assert replay.sampler.mixtures.known.tolist() == [False, *[True] * 5]


def test_mixtures_of_the_base_step() -> None:
    """The mean of each class's mixture is that of its sites, and the moments add up to theirs."""
    run = composed('cogamid_voc_15-1')
    later = run.later
    replay = later.model.shared['replay']
    grid = [
        (F.interpolate(answer(later.old, inputs).embedding.detach(), (16, 16), mode='bilinear'), target)
        for inputs, target in run.base.batches
    ]
    for c in (1, 2, 3):
        vectors = torch.cat([item.movedim(1, -1)[target[:, 2::4, 2::4] == c] for item, target in grid])
        weight, mean = replay.sampler.weight[c][:, None], replay.sampler.mean[c]
        middle = (weight * mean).sum(0)
        torch.testing.assert_close(middle, vectors.mean(0), rtol=1e-5, atol=1e-6)
        second = (weight * (replay.sampler.variance[c] + mean**2)).sum(0) - middle**2
        torch.testing.assert_close(second, vectors.var(0, correction=0), rtol=1e-3, atol=1e-4)
        assert (weight > 0).sum() == 3
