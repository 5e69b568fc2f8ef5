"""Every loss of a batch that processes share has the value and the gradient that one process finds."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from mmciss.functional import (
    auxiliary_classifier_loss,
    binary_cross_entropy,
    feature_attraction,
    feature_repulsion,
    feature_sparsity,
    gradient_compensation,
    label_guided_distillation,
    masked_feature_distillation,
    prototype_discrimination,
    prototype_matching,
    query_distillation,
    replay_bce,
    unbiased_cross_entropy,
    weighted_feature_distillation,
)
from mmciss.functional.processes import max_over_processes, mean_count, sum_over_processes
from tests.process_group import run_in_group

WORLD = 2
CLASSES, CHANNELS, SIDE = 5, 4, 6


def labels_of_batch() -> Tensor:
    """Four images; class 1 is in the first half only, 4 in the second, and most of the first image is ignored."""
    labels = torch.randint(0, 4, (4, SIDE, SIDE), generator=torch.Generator().manual_seed(0))
    labels[2:][labels[2:] == 1] = 4
    labels[0, 1:] = 255
    return labels


def values_of_batch(seed: int, channels: int = CHANNELS) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(4, channels, SIDE, SIDE, dtype=torch.float64, generator=generator)


PROTOTYPES = torch.randn(CLASSES, CHANNELS, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
TEACHER = values_of_batch(2, 3)


def matching(features: Tensor, labels: Tensor, images: slice) -> Tensor:
    return prototype_matching(features, labels.masked_fill(labels != 255, 0), PROTOTYPES, TEACHER[images], 3)


def compensated(logits: Tensor, labels: Tensor, images: slice) -> Tensor:
    weights = gradient_compensation(logits, labels, (0, 0, 0, 1, 1), 3)
    return (logits.square().sum(1) * weights).mean()


def replayed(features: Tensor, labels: Tensor, images: slice) -> Tensor:
    scores = features.permute(0, 2, 3, 1).flatten(0, 2) @ PROTOTYPES[:2].T
    plain = features.square().mean()
    return replay_bce(plain, PROTOTYPES @ PROTOTYPES[:2].T, scores, (labels == 0).flatten(), 0.3, 2.0)


def queries(logits: Tensor, labels: Tensor, images: slice) -> Tensor:
    return query_distillation(*(item.flatten(2).transpose(1, 2) for item in (logits, TEACHER[images])))


LOSSES: dict[str, Callable[[Tensor, Tensor, slice], Tensor]] = {
    'matching': matching,
    'attraction': lambda x, y, _: feature_attraction(x, y, PROTOTYPES),
    'repulsion': lambda x, y, _: feature_repulsion(x, y, PROTOTYPES),
    'sparsity': lambda x, y, _: feature_sparsity(x, y, PROTOTYPES),
    'binary cross-entropy': lambda x, y, _: binary_cross_entropy(x, y),
    'unbiased cross-entropy': lambda x, y, _: unbiased_cross_entropy(x, y, 2, reduction='valid_mean'),
    'label-guided distillation': lambda x, y, images: label_guided_distillation(x, TEACHER[images], y),
    'auxiliary': lambda x, y, _: auxiliary_classifier_loss(x, y == 0, y == 255),
    'gradient compensation': compensated,
    'queries': queries,
    'replay': replayed,
    'masked distillation': lambda x, y, images: masked_feature_distillation(x, values_of_batch(4)[images], y == 0),
    'weighted distillation': lambda x, y, images: weighted_feature_distillation(
        x, values_of_batch(4)[images], (y == 0) * 0.3 + (y == 1)
    ),
    'discrimination': lambda x, y, _: prototype_discrimination(x, y, F.normalize(PROTOTYPES), range(1, 5)),
}
OF_FEATURES = (
    'matching',
    'attraction',
    'repulsion',
    'sparsity',
    'replay',
    'masked distillation',
    'discrimination',
    'weighted distillation',
)


def value_and_gradient(name: str, images: slice) -> tuple[Tensor, Tensor]:
    channels = CHANNELS if name in OF_FEATURES else CLASSES
    values = values_of_batch(3, channels)[images].requires_grad_()
    loss = LOSSES[name](values, labels_of_batch()[images], images)
    loss.backward()
    return loss.detach(), values.grad


def on_rank(rank: int, world: int) -> dict:
    """Returns what a process finds for its half of the batch."""
    size = 4 // world
    images = slice(rank * size, (rank + 1) * size)
    found = {name: value_and_gradient(name, images) for name in LOSSES}
    own = torch.tensor([1.0, -2.0]) * (rank + 1)
    found['sums'] = sum_over_processes(own), max_over_processes(own), mean_count(own > 0), mean_count(own > 9)
    return found


@pytest.fixture(scope='module')
def ranks() -> list[dict]:
    return run_in_group(on_rank, world=WORLD)


@pytest.mark.parametrize('name', LOSSES)
def test_two_processes_find_what_one_finds(name: str, ranks: list[dict]) -> None:
    """The average over processes, which DistributedDataParallel takes; float64, sums in another order."""
    value, gradient = value_and_gradient(name, slice(0, 4))
    assert gradient.abs().sum() > 0
    torch.testing.assert_close(sum(found[name][0] for found in ranks) / WORLD, value, rtol=1e-12, atol=1e-12)
    joined = torch.cat([found[name][1] for found in ranks]) / WORLD
    torch.testing.assert_close(joined, gradient, rtol=1e-10, atol=1e-12)


def test_sums(ranks: list[dict]) -> None:
    for found in ranks:
        total, largest, count, least = found['sums']
        assert total.tolist() == [3.0, -6.0] and largest.tolist() == [2.0, -2.0]
        assert float(count) == 1.0 and float(least) == 1 / WORLD


def test_one_process_changes_nothing() -> None:
    values = torch.randn(3)
    assert sum_over_processes(values) is values and max_over_processes(values) is values
    assert int(mean_count(values > 9)) == 1
