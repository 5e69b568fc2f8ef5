"""Tests of EWC's importance."""

from __future__ import annotations

import torch

from mmciss.functional import update_fisher


def test_running_square() -> None:
    fisher, gradient = torch.ones(2), torch.tensor([2.0, -1.0])
    torch.testing.assert_close(update_fisher(fisher, gradient), torch.tensor([3.7, 1.0]))
    for _ in range(30):
        fisher = update_fisher(fisher, gradient)
    torch.testing.assert_close(fisher, gradient**2)
