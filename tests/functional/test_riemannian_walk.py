"""Tests of RW's importance."""

from __future__ import annotations

import torch

from mmciss.functional import accumulate_walk, finish_walk


def test_score_of_one_stretch() -> None:
    score = accumulate_walk(
        torch.tensor([1.0]), torch.tensor([3.0]), torch.tensor([2.0]), torch.tensor([1.0]), torch.tensor([4.0])
    )
    torch.testing.assert_close(score, torch.tensor([1 + 3 / 2]))


def test_parameter_that_stood_still() -> None:
    still = torch.ones(2)
    assert not accumulate_walk(torch.zeros(2), still, still, still, torch.zeros(2)).any()


def test_finish() -> None:
    score = torch.tensor([-1.0, 4.0])
    assert finish_walk(score).tolist() == [0, 4]
    assert finish_walk(score, torch.tensor([2.0, 2.0])).tolist() == [1, 3]
