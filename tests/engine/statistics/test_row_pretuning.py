"""The pass that learns the start of new rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
import torch

from mmciss.datasets.seeding import seeded
from mmciss.engine.statistics import RowPretuning
from mmciss.engine.statistics.data_pass import run_passes
from mmciss.errors import ConfigError
from mmciss.functional import labels_at, positive_contributions, transformed_rows, unbiased_cross_entropy
from mmciss.models.step_context import StepContext
from mmciss.protocols.step import Step
from tests.engine.statistics.samples import Batches, batches, teacher
from tests.models.tiny import LATER, NAMES
from tests.process_group import run_in_group

CLASSIFIER = 'decode_head.conv_seg'


def learn(data: Batches, images: int = 0, step: Step = LATER, **options: Any) -> dict[str, torch.Tensor]:
    """Returns what the pass finds."""
    context = StepContext(step)
    if images:
        context.data = range(images)
    with seeded(0, 0):
        return run_passes({'rows': RowPretuning(**options)}, context, teacher(), lambda: data)['pretuned_rows'][
            CLASSIFIER
        ]


def sites(data: Batches, side: int | None = None) -> tuple[torch.Tensor, ...]:
    """Embeddings, probabilities and labels of all positions, with the old rows and biases."""
    model = teacher()
    found: list[list[torch.Tensor]] = [[], [], []]
    for inputs, target in data:
        output = model(inputs)
        size = output.embedding.shape[-2:]
        for item, values in zip(found, (output.embedding, output.logits.softmax(1)), strict=False):
            item.append(values.flatten(2).transpose(1, 2).flatten(0, 1))
        found[2].append(labels_at(target, size, centre=True).flatten())
    group = model.segmentor.decode_head.conv_seg
    return *map(torch.cat, found), group.weight.detach()[:, :, 0, 0], group.bias.detach()


def test_without_an_epoch_rows_are_the_old_model_s_answers_on_the_new_classes() -> None:
    embedding, probabilities, labels, weight, bias = sites(batches())
    sums, counts = positive_contributions(embedding, probabilities, labels, weight, range(3, 5))
    means = (sums / counts[:, None, None]).float()
    found = learn(batches(), epochs=0)
    torch.testing.assert_close(found['weight'], transformed_rows(weight, means, means.sum(2).softmax(1)))
    torch.testing.assert_close(found['bias'], bias[:1].expand(2))
    torch.testing.assert_close(found['background'], weight[0])


def test_learning_lowers_mib_s_loss_and_moves_background_and_new_rows_alone() -> None:
    embedding, _, labels, weight, bias = sites(batches())

    def loss(rows: dict[str, torch.Tensor]) -> float:
        every = torch.cat([rows['background'][None], weight[1:], rows['weight']])
        logits = embedding @ every.T + torch.cat([bias, rows['bias']])
        return float(unbiased_cross_entropy(logits.T[None, :, None], labels[None, None], 3, reduction='valid_mean'))

    before, after = (learn(batches(), epochs=epochs, lr=0.1) for epochs in (0, 5))
    assert loss(after) < loss(before)
    assert not torch.isclose(before['background'], after['background']).all()


def test_two_updates_by_hand() -> None:
    """Nesterov momentum with weight decay on the first bias, the polynomial schedule over both updates."""
    data = batches((2,))
    embedding, probabilities, labels, weight, bias = sites(data)
    valid = labels != 255
    sums, counts = positive_contributions(embedding, probabilities, labels, weight, range(3, 5))
    a = (sums / counts[:, None, None]).float()
    values = [a, a.sum(2).softmax(1), bias[:1].expand(2).clone(), torch.ones(8), torch.ones(())]
    momenta: list[torch.Tensor] = []
    for rate in (0.1, 0.1 * 0.5**0.9):
        values = [value.detach().requires_grad_() for value in values]
        a, q, b, m, s = values
        rows = torch.stack([(q[i][:, None] * a[i] * weight).sum(0) for i in range(2)])
        p = (
            embedding[valid] @ torch.cat([(s * m * weight[0])[None], weight[1:], rows]).T + torch.cat([bias, b])
        ).softmax(1)
        y = labels[valid]
        loss = -torch.where(y < 3, p[:, :3].sum(1), p.gather(1, y[:, None])[:, 0]).log().mean()
        gradients = [
            gradient + 1e-4 * value for gradient, value in zip(torch.autograd.grad(loss, values), values, strict=True)
        ]
        momenta = [
            0.9 * one + g for one, g in zip(momenta or [torch.zeros(()) for _ in values], gradients, strict=True)
        ]
        values = [v - rate * (g + 0.9 * k) for v, g, k in zip(values, gradients, momenta, strict=True)]
    a, q, b, m, s = (value.detach() for value in values)
    found = learn(data, epochs=2, lr=0.1)
    torch.testing.assert_close(found['weight'], torch.stack([(q[i][:, None] * a[i] * weight).sum(0) for i in range(2)]))
    torch.testing.assert_close(found['bias'], b)
    torch.testing.assert_close(found['background'], s * m * weight[0])


def test_it_finds_the_same_whenever_it_runs_with_a_seed() -> None:
    first, again = learn(batches()), learn(batches())
    assert all(torch.equal(first[key], again[key]) for key in first)


def test_a_class_without_a_site_starts_as_the_background(caplog: pytest.LogCaptureFixture) -> None:
    data = [(inputs, target.where(target != 4, 0)) for inputs, target in batches()]
    weight, bias = sites(data)[3:]
    found = learn(data, epochs=0)
    assert torch.equal(found['weight'][1], weight[0]) and found['bias'][1] == bias[0]
    learned = learn(data, epochs=1)
    assert all(value.isfinite().all() for value in learned.values())


def test_contributions_on_a_finer_map() -> None:
    """As released, where all maps are resized to 128 pixels."""
    coarse, fine = learn(batches(), epochs=0), learn(batches(), epochs=0, size=32)
    assert fine['weight'].isfinite().all() and not torch.isclose(fine['weight'], coarse['weight']).all()


def test_as_many_sites_of_every_image_as_there_is_room_for() -> None:
    rows = RowPretuning(max_sites=40)
    context = StepContext(LATER)
    context.data = range(5)
    model = teacher()
    rows.begin(context, model)
    for inputs, target in batches():
        rows.update(inputs, target, model(inputs))
    assert len(rows.sites) == 5
    assert all(len(label) <= 8 and not label.eq(255).any() for _, label in rows.sites)
    assert sum(len(label) for _, label in rows.sites) >= 25
    assert learn(batches(), images=5, max_sites=40)['weight'].isfinite().all()


def test_random_first_biases_are_those_of_a_new_layer() -> None:
    found = learn(batches(), epochs=0, bias='random')['bias']
    assert found.unique().numel() == 2 and found.abs().max() <= 8**-0.5


def test_no_image_at_all() -> None:
    weight = sites(batches())[3]
    assert torch.equal(learn([])['weight'], weight[:1].expand(2, -1))


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (dict(bias='zero'), r"method.statistics.*bias.*'zero'.*background, random"),
        (dict(epochs=-1), 'found -1, 0.02 and 262144'),
        (dict(lr=0.0), 'lr above 0'),
    ],
)
def test_arguments(options: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        RowPretuning(**options)


def test_what_it_cannot_start_from() -> None:
    step = Step(1, new=(4, 5), old=(1, 2, 3), sizes=(3, 2), names=NAMES, background=False)
    with pytest.raises(ConfigError, match='needs a protocol with a background'):
        learn(batches(), step=step)


def on_rank(rank: int, world: int) -> dict:
    """Returns what a process finds from its images, every second one."""
    return learn(part(batches((2, 2)), rank, world), epochs=3, lr=0.1)


def part(data: Sequence[tuple[torch.Tensor, torch.Tensor]], rank: int, world: int) -> Batches:
    """Returns the images of a rank, as many batches as one process has."""
    return [(inputs[rank::world], target[rank::world]) for inputs, target in data]


def test_two_processes_find_the_rows_of_one() -> None:
    ranks = run_in_group(on_rank)
    expected = learn(batches((2, 2)), epochs=3, lr=0.1)
    for key, value in expected.items():
        assert torch.equal(ranks[0][key], ranks[1][key])
        torch.testing.assert_close(ranks[0][key], value, rtol=1e-4, atol=1e-5)
