"""Which images are drawn in which order, on any number of ranks and after any interruption."""

from __future__ import annotations

import pickle
from itertools import islice
from types import SimpleNamespace
from typing import Any
from unittest import mock

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mmengine.dataset import DefaultSampler
from mmseg.registry import DATA_SAMPLERS

from mmciss.datasets import samplers
from mmciss.datasets.samplers import DrawnIndex, IncrementalInfiniteSampler, PassSampler, ReplaySampler
from mmciss.errors import ConfigError

GOLDEN = [0, 5, 2, 1, 3, 4, 5, 2]
"""The first eight images of six, seed 3, step 0."""


def test_is_an_ordinary_index() -> None:
    drawn = DrawnIndex(2, seed=5, draw=40)
    assert isinstance(drawn, int) and drawn == 2 and hash(drawn) == hash(2)
    assert ['a', 'b', 'c'][drawn] == 'c' and np.arange(3)[drawn] == 2


def test_survives_the_way_to_a_worker() -> None:
    drawn = pickle.loads(pickle.dumps([DrawnIndex(2, seed=5, draw=40)]))[0]
    assert (drawn, drawn.seed, drawn.draw) == (2, 5, 40) and type(drawn) is DrawnIndex


def test_at_keeps_the_draw() -> None:
    other = DrawnIndex(2, seed=5, draw=40).at(9)
    assert (other, other.seed, other.draw) == (9, 5, 40)


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
    assert [d for group in zip(*ranks, strict=True) for d in group] == single
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


class Data(SimpleNamespace):
    """As much of a data set as a sampler looks at."""

    def __len__(self) -> int:
        return self.num_current


def replay(
    current: int = 20,
    stored: int = 7,
    rank: int = 0,
    world: int = 1,
    monkeypatch: Any = None,
    step: int = 1,
    **options: Any,
) -> ReplaySampler:
    if monkeypatch is not None:
        path = 'mmengine.dataset.sampler.get_dist_info'
        monkeypatch.setattr(path, lambda: (rank, world))
    data = Data(num_current=current, num_exemplars=stored, step_index=step)
    return ReplaySampler(data, **dict(dict(seed=3, batch_size=5), **options))


def take(source: Any, count: int) -> list[DrawnIndex]:
    return list(islice(iter(source), count))


def test_each_batch_has_half_of_its_places_rounded_down_from_memory() -> None:
    drawn = take(replay(), 5 * 40)
    for batch in range(40):
        part = drawn[5 * batch : 5 * batch + 5]
        assert sum(index >= 20 for index in part) == 2
        assert len(set(part)) == 5, 'no image twice in a batch'
    assert [index.draw for index in drawn] == list(range(200))
    places = {place for place in range(5) for batch in range(40) if drawn[5 * batch + place] >= 20}
    assert places == set(range(5)), 'any place may be replaced'


def test_the_other_places_are_those_of_the_plain_stream() -> None:
    plain = take(IncrementalInfiniteSampler(Data(num_current=20, step_index=1), seed=3, batch_size=5), 100)
    for mixed, own in zip(take(replay(), 100), plain, strict=True):
        assert mixed == own or mixed >= 20


def test_stored_images_come_one_permutation_after_the_other() -> None:
    stored = [index - 20 for index in take(replay(), 5 * 35) if index >= 20]
    assert len(stored) == 70
    for start in range(0, 70, 7):
        assert sorted(stored[start : start + 7]) == list(range(7))


def test_ranks_share_one_stream_with_stored_images(monkeypatch: pytest.MonkeyPatch) -> None:
    alone = take(replay(batch_size=6), 60)
    parts = [take(replay(batch_size=6, rank=rank, world=2, monkeypatch=monkeypatch), 30) for rank in range(2)]
    together = [index for pair in zip(*parts, strict=True) for index in pair]
    assert together == alone
    assert [index.draw for index in together] == [index.draw for index in alone]


@pytest.mark.parametrize('skipped', [0, 1, 4, 5, 23, 101])
def test_a_resumed_stream_goes_on_where_it_stopped(skipped: int) -> None:
    resumed = replay()
    resumed.skip(skipped)
    assert take(resumed, 40) == take(replay(), skipped + 40)[skipped:]


def test_steps_and_seeds_have_their_own_streams_of_stored_images() -> None:
    first = take(replay(), 50)
    assert first != take(replay(step=2), 50)
    assert first != take(replay(seed=4), 50)


def test_fewer_images_than_a_batch_and_no_memory() -> None:
    tiny = take(replay(current=3, stored=1, batch_size=5), 50)
    assert sum(index == 3 for index in tiny) == 20
    assert all(index < 20 for index in take(replay(stored=0), 50))


@pytest.mark.parametrize('batch_size', [None, 1])
def test_a_batch_without_room_is_refused(batch_size: int | None) -> None:
    with pytest.raises(ConfigError, match='train_dataloader.batch_size.*at least 2'):
        replay(batch_size=batch_size)


@pytest.mark.parametrize('world', [1, 2, 3, 9])
def test_ranks_share_a_pass_without_repetition(monkeypatch: pytest.MonkeyPatch, world: int) -> None:
    drawn = []
    for rank in range(world):
        monkeypatch.setattr(samplers, 'get_dist_info', lambda rank=rank: (rank, world))
        sampler = PassSampler(range(7), seed=3)
        indices = list(sampler)
        assert len(sampler) == len(indices)
        assert indices == list(sampler), 'a second time over the data gives the same'
        drawn += [(int(index), index.seed, index.draw) for index in indices]
    assert sorted(drawn) == [(index, PassSampler(range(7), 3).seed, index) for index in range(7)]


def test_augmentation_has_a_stream_of_its_own() -> None:
    assert PassSampler(range(7), 0).seed not in (0, PassSampler(range(7), 1).seed)
