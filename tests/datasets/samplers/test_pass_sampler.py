"""Every image exactly once."""

from __future__ import annotations

import pytest

from mmciss.datasets.samplers import pass_sampler
from mmciss.datasets.samplers.pass_sampler import PassSampler


@pytest.mark.parametrize('world', [1, 2, 3, 9])
def test_ranks_share_the_images_without_repetition(monkeypatch: pytest.MonkeyPatch, world: int) -> None:
    drawn = []
    for rank in range(world):
        monkeypatch.setattr(pass_sampler, 'get_dist_info', lambda rank=rank: (rank, world))
        sampler = PassSampler(range(7), seed=3)
        indices = list(sampler)
        assert len(sampler) == len(indices)
        assert indices == list(sampler), 'a second time over the data gives the same'
        drawn += [(int(index), index.seed, index.draw) for index in indices]
    assert sorted(drawn) == [(index, PassSampler(range(7), 3).seed, index) for index in range(7)]


def test_augmentation_has_a_stream_of_its_own() -> None:
    assert PassSampler(range(7), 0).seed not in (0, PassSampler(range(7), 1).seed)
