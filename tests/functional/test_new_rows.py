"""Rows of new classes beside old ones that stay: the minimum of MiB's loss, and where it starts."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from mmciss.functional import fit_new_rows, unbiased_cross_entropy, unbiased_distillation


def sites() -> tuple[Tensor, Tensor, Tensor]:
    """Draws 300 vectors of 6 numbers, labels of two new classes or -1, and scores of three old classes."""
    generator = torch.Generator().manual_seed(0)
    vectors = torch.randn(300, 6, generator=generator, dtype=torch.float64)
    labels = torch.where(vectors[:, 0] > 0.5, 0, torch.where(vectors[:, 1] > 0.8, 1, -1))
    labels[::17] = -1  # not separable
    return vectors, labels, torch.randn(300, 3, generator=generator, dtype=torch.float64)


@pytest.mark.parametrize('factor', [0.0, 10.0])
def test_the_minimum_of_mib_s_losses(factor: float) -> None:
    vectors, labels, old = sites()
    start = torch.full((2, 7), 0.1, dtype=torch.float64)
    rows = fit_new_rows(vectors, labels, old.logsumexp(1), old[:, 0], start, factor / 3, penalty=0.01).requires_grad_()
    scores = torch.cat([old, F.pad(vectors, (0, 1), value=1.0) @ rows.T], 1)
    target = torch.where(labels < 0, 0, labels + 3)
    loss = unbiased_cross_entropy(scores[..., None, None], target[:, None, None], num_old=3)
    distance = (rows - start)[:, :-1].square().sum() * vectors.square().mean() * 0.01 / 2
    kept = factor * unbiased_distillation(scores[..., None, None], old[..., None, None])
    (gradient,) = torch.autograd.grad(loss + kept + distance, rows)
    assert gradient.abs().max() < 1e-4
    found = scores.argmax(1).clamp(min=2) - 3
    right = (found == labels).double().mean()
    assert right > 0.85 if factor == 0 else 0.5 < right < 0.85


def test_distillation_caps_a_new_class_where_the_old_model_is_sure() -> None:
    """A site that the old model surely calls an old class gives a new one 1 / (1 + factor / number of old classes)."""
    vectors, labels = torch.zeros(9, 1, dtype=torch.float64), torch.zeros(9, dtype=torch.long)
    old = torch.tensor([0.0, 50.0, 0.0], dtype=torch.float64).repeat(9, 1)
    rows = fit_new_rows(vectors, labels, old.logsumexp(1), old[:, 0], torch.zeros(1, 2, dtype=torch.float64), 10 / 3)
    chance = torch.cat([old[0], rows[0, -1:]]).softmax(0)[3]
    assert chance.item() == pytest.approx(1 / (1 + 10 / 3), rel=1e-3)


def test_a_heavy_penalty_leaves_the_rows_where_they_start() -> None:
    vectors, labels, old = sites()
    start = torch.full((2, 7), 0.1, dtype=torch.float64)
    rows = fit_new_rows(vectors, labels, old.logsumexp(1), old[:, 0], start, penalty=100)
    torch.testing.assert_close(rows[:, :-1], start[:, :-1], rtol=0, atol=0.01)
    assert (rows[:, -1] - start[:, -1]).abs().max() > 0.1, 'biases are free'


def test_sites_without_a_new_class_push_it_down() -> None:
    vectors, labels, old = sites()
    start = torch.zeros(2, 7, dtype=torch.float64)
    rows = fit_new_rows(vectors, torch.full_like(labels, -1), old.logsumexp(1), old[:, 0], start)
    assert (F.pad(vectors, (0, 1), value=1.0) @ rows.T).max() < -1
