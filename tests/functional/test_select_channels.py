"""Tests of the choice of channels."""

from __future__ import annotations

import pytest
import torch

from mmciss.functional import select_channels


@pytest.mark.parametrize('fraction, count', [(0.1, 26), (0.25, 64), (0.5, 128), (0.75, 192), (1, 256), (1e-6, 1)])
def test_counts_of_the_paper(fraction: float, count: int) -> None:
    scores = torch.randn(256, generator=torch.Generator().manual_seed(0))
    mask = select_channels(scores, fraction)
    assert mask.dtype == torch.bool and mask.sum() == count
    assert count == 256 or scores[mask].min() > scores[~mask].max()


def test_one_choice_per_class_and_ties_in_channel_order() -> None:
    scores = torch.tensor([[1.0, 1.0, 1.0, 1.0], [0.0, 3.0, -9.0, 2.0]])
    assert select_channels(scores, 0.5).tolist() == [[True, True, False, False], [False, True, False, True]]


@pytest.mark.parametrize('fraction', [0, -0.1, 25])
def test_fraction_outside_its_range(fraction: float) -> None:
    with pytest.raises(ValueError, match='fraction'):
        select_channels(torch.zeros(4), fraction)
