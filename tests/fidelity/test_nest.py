"""NeST on MiB, PLOP and RCIL: the start of new rows, step by step, and the host's loss."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from tests.fidelity.compose import ComposedStep, compare, compose
from tests.fidelity.network import answer
from tests.fidelity.test_mib_family import mib, unbiased_ce, unbiased_kd
from tests.fidelity.test_plop_family import plop, sharpened
from tests.fidelity.test_rcil import STAGES, composed, cubes

METHODS = {'nest': 'nest_voc_15-1', 'nest_plop': 'nest_plop_voc_15-1', 'nest_rcil': 'nest_rcil_voc_15-1'}
NEW = (4, 5)
VOID = 255


def contributions(step: ComposedStep, weight: Tensor, side: int) -> Tensor:
    """Mean of ``P_k [f_d w_kd > 0]`` over the pixels of each new class, with all maps resized, ``(n, C_old, D)``."""
    total = torch.zeros(2, *weight.shape, dtype=torch.float64)
    counts = [0, 0]
    for inputs, target in step.batches:
        found = answer(step.old, inputs)
        p, f = (
            F.interpolate(item, (side, side), mode='bilinear') for item in (found.small.softmax(1), found.embedding)
        )
        block = target.shape[-1] // side
        labels = (
            target[:, block // 2 :: block, block // 2 :: block]
            if block
            else target.repeat_interleave(side // target.shape[-1], 1).repeat_interleave(side // target.shape[-1], 2)
        )
        for image, row, column in (labels >= 4).logical_and(labels != VOID).nonzero().tolist():
            index = int(labels[image, row, column]) - 4
            speaks = (f[image, :, row, column] * weight > 0).double()
            total[index] += p[image, :, row, column][:, None] * speaks
            counts[index] += 1
    return total / torch.tensor(counts)[:, None, None]


def sites(step: ComposedStep) -> tuple[Tensor, Tensor]:
    """Embedding and label of every position that is not void, image by image."""
    embeddings, labels = [], []
    for inputs, target in step.batches:
        found = answer(step.old, inputs).embedding
        embeddings += [item.flatten(1).T for item in found]
        labels += [item[8::16, 8::16].flatten() for item in target]
    embedding, label = torch.cat(embeddings), torch.cat(labels)
    return embedding[label != VOID], label[label != VOID]


def rows(values: list[Tensor], weight: Tensor) -> tuple[Tensor, Tensor]:
    """New rows ``sum_k q_k (A_k * w_k)``, and the background's ``s (m * w_0)``."""
    a, q, _, m, s = values
    return torch.stack([sum(q[i, k] * a[i, k] * weight[k] for k in range(4)) for i in range(2)]), s * m * weight[0]


def tuned(step: ComposedStep, weight: Tensor, bias: Tensor, epochs: int, lr: float, side: int) -> list[Tensor]:
    """The five things that learn, by SGD written out: 3 updates per epoch, on shuffled sites."""
    a = contributions(step, weight, side)
    values = [a, a.sum(2).softmax(1), bias[:1].expand(2).clone(), torch.ones_like(weight[0]), torch.ones(()).double()]
    embedding, labels = sites(step)
    generator, speed, done = torch.Generator().manual_seed(step.seed), [torch.zeros_like(v) for v in values], 0
    for _ in range(epochs):
        for chosen in torch.randperm(len(labels), generator=generator).tensor_split(3):
            values = [value.detach().requires_grad_() for value in values]
            new, background = rows(values, weight)
            logits = embedding[chosen] @ torch.cat([background[None], weight[1:], new]).T
            logits = logits + torch.cat([bias, values[2]])
            loss = unbiased_ce(logits.T[None, :, None], labels[chosen][None, None], 4)
            gradients = torch.autograd.grad(loss, values)
            with torch.no_grad():
                gradients = [g + 1e-4 * v for g, v in zip(gradients, values, strict=True)]
                speed = [0.9 * one + g for one, g in zip(speed, gradients, strict=True)]
                rate = lr * (1 - done / (3 * epochs)) ** 0.9
                values = [v - rate * (g + 0.9 * k) for v, g, k in zip(values, gradients, speed, strict=True)]
            done += 1
    return [value.detach() for value in values]


def started(step: ComposedStep, epochs: int = 5, lr: float = 0.001, side: int = 128, vector: bool = False) -> tuple:
    """All rows and biases as the step must start."""
    head = step.old.decode_head.conv_seg
    weight, bias = head.weight.detach()[:, :, 0, 0], head.bias.detach()
    values = tuned(step, weight, bias, epochs, lr, side)
    new, background = rows(values, weight)
    background = background * weight[0].norm() / background.norm()
    old = torch.cat([background[None], weight[1:]])
    new = new * old.norm(dim=1).mean() / new.norm(dim=1).mean()
    scale = bias.norm() / values[2].norm() if vector else bias.abs().mean() / values[2].abs().mean()
    return torch.cat([old, new])[:, :, None, None], torch.cat([bias, values[2] * scale])


@pytest.mark.parametrize(
    ('recipe', 'schedule'),
    [
        ('nest_voc_15-1', (5, 0.001)),
        ('nest_plop_voc_15-1', (5, 0.001)),
        ('nest_rcil_voc_15-1', (5, 0.001)),
        ('nest_ade_100-50', (15, 0.5)),
    ],
)
def test_start(recipe: str, schedule: tuple[int, float]) -> None:
    step = compose(recipe).later
    weight, bias = started(step, *schedule)
    torch.testing.assert_close(step.rows(), weight, rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(step.rows('bias'), bias, rtol=1e-9, atol=1e-9)


def test_the_release_s_biases() -> None:
    """Norms of whole vectors: with four old classes and two new ones, sqrt(2) times as large."""
    step = compose('nest_voc_15-1', method__initializer__bias_scale='vector').later
    torch.testing.assert_close(step.rows('bias'), started(step, vector=True)[1], rtol=1e-9, atol=1e-9)
    random = compose('nest_voc_15-1', method__statistics__pretuning__bias='random').later
    assert random.rows('bias')[4:].unique().numel() == 2
    torch.testing.assert_close(random.rows()[:4].flatten(1).norm(dim=1), step.rows()[:4].flatten(1).norm(dim=1))


def test_on_mib() -> None:
    run = compose('nest_voc_15-1')
    run.later.move()
    compare(run.later, mib(run.later))


def test_anchor() -> None:
    """Ours: MiB's loss, NeST's start in 5 epochs at 0.02, frozen norm layers, new rows ten times as fast."""
    step = compose('mib_voc_15-1', 'anchor').later
    for key, expected in zip(('weight', 'bias'), started(step, 5, 0.02, step.target.shape[-1] // 16), strict=True):
        torch.testing.assert_close(step.rows(key), expected, rtol=1e-9, atol=1e-9)
    step.move()
    compare(step, mib(step))


def test_on_plop() -> None:
    """Old rows are frozen."""
    run = sharpened(compose('nest_plop_voc_15-1'))
    learning = {name for name in run.later.parameters() if '.conv_seg.' in name}
    assert learning == {f'decode_head.conv_seg.steps.1.{key}' for key in ('weight', 'bias')}
    run.later.move()
    compare(run.later, plop(run.later, (0.01, 0.0005)))


def test_on_rcil() -> None:
    step = composed('nest_rcil_voc_15-1').later
    step.move()
    new, old = step.answer(*STAGES), step.teacher(*STAGES)
    loss = unbiased_ce(new.logits, step.target, 4) + 100 * unbiased_kd(new.logits, old.logits)
    compare(step, loss + cubes(new, old, (0.01, 0.0005, 0.01, 0.0005)))
