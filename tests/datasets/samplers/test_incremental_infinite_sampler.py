"""An endless stream of images that can start at any position."""

from __future__ import annotations

from itertools import islice
from unittest import mock

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mmengine.dataset import DefaultSampler
from mmseg.registry import DATA_SAMPLERS

from mmciss.datasets.samplers.incremental_infinite_sampler import IncrementalInfiniteSampler
from mmciss.errors import ConfigError

GOLDEN = [0, 5, 2, 1, 3, 4, 5, 2]
"""The first eight images of six, seed 3, step 0."""


class Images(list):
    """A data set of ``n`` images at a step."""

    def __init__(self, n: int, step_index: int = 0) -> None:
        super().__init__(range(n))
        self.step_index = step_index


def make(n: int, rank: int = 0, world: int = 1, step: int = 0, **kwargs: object) -> IncrementalInfiniteSampler:
    """Builds the sampler as rank ``rank`` of ``world``."""
    module = 'mmengine.dataset.sampler.get_dist_info'
    with mock.patch(module, return_value=(rank, world)):
        return IncrementalInfiniteSampler(Images(n, step), **{'seed': 3, **kwargs})


def draw(sampler: IncrementalInfiniteSampler, count: int) -> list[tuple[int, int, int]]:
    return [(int(i), i.draw, i.seed) for i in islice(iter(sampler), count)]


def test_registered() -> None:
    built = DATA_SAMPLERS.build(
        dict(type='IncrementalInfiniteSampler', batch_size=2), default_args=dict(dataset=Images(5), seed=1)
    )
    assert built.epoch_size == 4 and len(built) == 5


@given(st.integers(1, 30), st.integers(1, 12))
def test_no_image_twice_within_an_epoch(n: int, batch: int) -> None:
    sampler = make(n, batch_size=batch)
    assert sampler.epoch_size == (n // batch * batch if batch <= n else n)
    for _ in range(3):
        epoch = [i for i, _, _ in draw(sampler, sampler.epoch_size)]
        assert len(set(epoch)) == len(epoch)


def test_epochs_differ_and_leave_out_different_images() -> None:
    sampler = make(9, batch_size=4)
    epochs = [tuple(i for i, _, _ in draw(sampler, 8)) for _ in range(20)]
    assert len(set(epochs)) == 20
    assert len({frozenset(e) for e in epochs}) > 1


@given(st.integers(1, 20), st.integers(0, 70), st.sampled_from([1, 2, 3]), st.booleans())
def test_skip_equals_drawing(n: int, skipped: int, world: int, shuffle: bool) -> None:
    for rank in range(world):
        whole = draw(make(n, rank, world, shuffle=shuffle), skipped + 5)
        entered = make(n, rank, world, shuffle=shuffle)
        entered.skip(skipped)
        assert draw(entered, 5) == whole[skipped:]


@given(st.integers(1, 20), st.sampled_from([2, 3, 5]))
def test_ranks_share_one_stream(n: int, world: int) -> None:
    single = draw(make(n), 4 * world)
    ranks = [draw(make(n, rank, world), 4) for rank in range(world)]
    assert [d for group in zip(*ranks) for d in group] == single
    assert [d for _, d, _ in single] == list(range(4 * world))


def test_steps_and_seeds_have_their_own_streams() -> None:
    streams = [draw(make(50), 50), draw(make(50, step=1), 50), draw(make(50, seed=4), 50)]
    assert len({tuple(i for i, _, _ in s) for s in streams}) == 3
    assert len({s[0][2] for s in streams}) == 3


def test_stream_is_fixed() -> None:
    assert [i for i, _, _ in draw(make(6), 8)] == GOLDEN


def test_unshuffled_is_in_order() -> None:
    assert [i for i, _, _ in draw(make(3, shuffle=False), 7)] == [0, 1, 2, 0, 1, 2, 0]


def test_errors() -> None:
    with pytest.raises(ConfigError, match='no images'):
        make(0)
    with pytest.raises(ConfigError, match='batch_size.*got 0'):
        make(3, batch_size=0)
    with pytest.raises(ValueError, match='-1'):
        make(3).skip(-1)


def test_evaluation_sampler_of_mmengine_counts_no_image_twice() -> None:
    seen = []
    for rank in range(3):
        module = 'mmengine.dataset.sampler.get_dist_info'
        with mock.patch(module, return_value=(rank, 3)):
            seen += list(DefaultSampler(Images(11), shuffle=False, seed=0, round_up=False))
    assert sorted(seen) == list(range(11))
