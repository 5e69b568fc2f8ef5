"""Tests of the floating-point type, exponentials and argmax over channels."""

from __future__ import annotations

import pytest
import torch

from mmciss.functional import at_least_float32, channel_argmax
from mmciss.functional.numerics import exp_of_negatives, exponentials


@pytest.mark.parametrize(
    'dtype, expected',
    [
        (torch.float16, torch.float32),
        (torch.bfloat16, torch.float32),
        (torch.float32, torch.float32),
        (torch.float64, torch.float64),
    ],
)
def test_half_is_widened(dtype: torch.dtype, expected: torch.dtype) -> None:
    assert at_least_float32(torch.zeros(1, dtype=dtype)).dtype == expected


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


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16, torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize('dim', [0, 1, 3])
def test_is_argmax(dtype: torch.dtype, dim: int) -> None:
    scores = torch.randn(7, 300, 3, 5).to(dtype)
    assert torch.equal(channel_argmax(scores, dim), scores.argmax(dim))


def test_the_first_of_equal_scores() -> None:
    scores = torch.tensor([[2.0, 5.0, 5.0, -torch.inf], [-torch.inf] * 4])
    assert channel_argmax(scores).tolist() == [1, 0]


def test_nan_gives_a_valid_channel() -> None:
    assert int(channel_argmax(torch.full((1, 3), torch.nan))) in range(3)
