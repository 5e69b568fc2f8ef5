"""The uncertainty-aware constraint of Adapter."""

from __future__ import annotations

import pytest
import torch

from mmciss.functional import two_best, uncertainty


def logits_of(*pixels: tuple[float, ...]) -> torch.Tensor:
    """Scores ``(1, C, 1, pixels)`` with these probabilities of the foreground; the background's score is large."""
    scores = torch.logit(torch.tensor(pixels, dtype=torch.float64).T)
    return torch.cat([torch.full((1, len(pixels)), 9.0, dtype=torch.float64), scores])[None, :, None, :]


def test_by_hand() -> None:
    # unsure and wrong; right; sure of the wrong one; unsure, background
    logits = logits_of((0.6, 0.5, 0.1), (0.2, 0.6, 0.5), (0.8, 0.3, 0.1), (0.1, 0.2, 0.4)).requires_grad_()
    target = torch.tensor([[[2, 2, 3, 0]]])
    loss = uncertainty(logits, target)
    assert float(loss.detach()) == pytest.approx(((1 - 0.1) ** 2 + (1 - 0.2) ** 2) / 4)
    loss.backward()
    gradient = logits.grad[0, :, 0]
    assert gradient.nonzero().tolist() == [[2, 0], [2, 3]], 'only the second class, and only of unsure pixels'
    assert (gradient >= 0).all(), 'it goes down'
    # d (1 - g)^2 / ds2 = 2 (1 - g), ds2 / dz = s2 (1 - s2), mean over four
    assert float(gradient[2, 0]) == pytest.approx(2 * 0.9 * 0.25 / 4)


def test_one_class_costs_nothing() -> None:
    logits = torch.randn(2, 2, 3, 3, requires_grad=True)
    loss = uncertainty(logits, torch.zeros(2, 3, 3, dtype=torch.long))
    assert loss == 0
    first, second, channel = two_best(logits)
    torch.testing.assert_close(first, logits[:, 1].sigmoid())
    assert not second.any() and (channel == 1).all()


def test_the_threshold_and_ignored_pixels() -> None:
    logits = logits_of((0.75, 0.5), (0.6, 0.5))
    target = torch.tensor([[[0, 255]]])
    assert float(uncertainty(logits, target)) == pytest.approx(0.9**2 / 2), 'ignored pixels ask for no class'
    assert float(uncertainty(logits, target, 0.8)) == pytest.approx((0.75**2 + 0.9**2) / 2)
    assert float(uncertainty(logits, target, 0.5)) == 0


def test_best_classes() -> None:
    first, second, channel = two_best(logits_of((0.1, 0.9, 0.3), (0.5, 0.2, 0.4)))
    torch.testing.assert_close(first.flatten(), torch.tensor([0.9, 0.5], dtype=torch.float64))
    torch.testing.assert_close(second.flatten(), torch.tensor([0.3, 0.4], dtype=torch.float64))
    assert channel.flatten().tolist() == [2, 1]
