"""Tests of the argmax over channels."""

from __future__ import annotations

import pytest
import torch

from mmciss.functional.channel_argmax import channel_argmax


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
