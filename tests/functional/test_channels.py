"""Tests of operations over channels."""

from __future__ import annotations

import pytest
import torch

from mmciss.functional.channels import channel_argmax, check_old_channels, merge_new_into_background


def test_merge() -> None:
    scores = torch.tensor([1.0, 2.0, 4.0, 8.0, 16.0]).view(1, 5, 1, 1)
    assert merge_new_into_background(scores, 3).flatten().tolist() == [25, 2, 4]
    assert merge_new_into_background(scores, 5) is scores


@pytest.mark.parametrize('shape', [(1, 2, 4, 4), (1, 4, 4, 2), (2, 4, 4, 4)])
def test_scores_that_do_not_extend_the_teacher(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match='do not extend'):
        check_old_channels(torch.zeros(shape), torch.zeros(1, 3, 4, 4))


def test_number_of_old_channels() -> None:
    assert check_old_channels(torch.zeros(1, 5, 2, 2), torch.zeros(1, 3, 2, 2)) == 3


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
