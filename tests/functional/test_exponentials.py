"""Tests of exponentials of a block."""

from __future__ import annotations

import torch

from mmciss.functional.exponentials import exp_of_negatives, exponentials


def test_against_softmax_and_logsumexp() -> None:
    scores = torch.randn(5, 7, dtype=torch.float64) * 300
    kept = scores.clone()
    found = exponentials(scores)
    assert torch.equal(scores, kept)
    torch.testing.assert_close(found.values / found.total, scores.softmax(0))
    torch.testing.assert_close(found.logsumexp(), scores.logsumexp(0))


def test_no_exponential_leaves_the_normal_numbers() -> None:
    values = exp_of_negatives(torch.tensor([0.0, -1.0, -50.0, -90.0, -torch.inf]))
    torch.testing.assert_close(values[:3], torch.tensor([0.0, -1.0, -50.0]).exp())
    assert ((values >= torch.finfo(torch.float32).tiny) & (values <= 1)).all() and values[3:].max() < 1e-25
