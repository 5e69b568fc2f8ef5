"""Half of every batch are stored images, on any number of ranks and after any interruption."""

from __future__ import annotations

import itertools
from types import SimpleNamespace
from typing import Any

import pytest

from mmciss.datasets.samplers.drawn_index import DrawnIndex
from mmciss.datasets.samplers.incremental_infinite_sampler import IncrementalInfiniteSampler
from mmciss.datasets.samplers.replay_sampler import ReplaySampler
from mmciss.errors import ConfigError


class Data(SimpleNamespace):
    """As much of a data set as a sampler looks at."""

    def __len__(self) -> int:
        return self.num_current


def sampler(
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
    return list(itertools.islice(iter(source), count))


def test_each_batch_has_half_of_its_places_rounded_down_from_memory() -> None:
    drawn = take(sampler(), 5 * 40)
    for batch in range(40):
        part = drawn[5 * batch : 5 * batch + 5]
        assert sum(index >= 20 for index in part) == 2
        assert len(set(part)) == 5, 'no image twice in a batch'
    assert [index.draw for index in drawn] == list(range(200))
    places = {place for place in range(5) for batch in range(40) if drawn[5 * batch + place] >= 20}
    assert places == set(range(5)), 'any place may be replaced'


def test_the_other_places_are_those_of_the_plain_stream() -> None:
    plain = take(IncrementalInfiniteSampler(Data(num_current=20, step_index=1), seed=3, batch_size=5), 100)
    for mixed, own in zip(take(sampler(), 100), plain):
        assert mixed == own or mixed >= 20


def test_stored_images_come_one_permutation_after_the_other() -> None:
    stored = [index - 20 for index in take(sampler(), 5 * 35) if index >= 20]
    assert len(stored) == 70
    for start in range(0, 70, 7):
        assert sorted(stored[start : start + 7]) == list(range(7))


def test_ranks_share_one_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    alone = take(sampler(batch_size=6), 60)
    parts = [take(sampler(batch_size=6, rank=rank, world=2, monkeypatch=monkeypatch), 30) for rank in range(2)]
    together = [index for pair in zip(*parts) for index in pair]
    assert together == alone
    assert [index.draw for index in together] == [index.draw for index in alone]


@pytest.mark.parametrize('skipped', [0, 1, 4, 5, 23, 101])
def test_a_resumed_stream_goes_on_where_it_stopped(skipped: int) -> None:
    resumed = sampler()
    resumed.skip(skipped)
    assert take(resumed, 40) == take(sampler(), skipped + 40)[skipped:]


def test_steps_and_seeds_have_streams_of_their_own() -> None:
    first = take(sampler(), 50)
    assert first != take(sampler(step=2), 50)
    assert first != take(sampler(seed=4), 50)


def test_fewer_images_than_a_batch_and_no_memory() -> None:
    tiny = take(sampler(current=3, stored=1, batch_size=5), 50)
    assert sum(index == 3 for index in tiny) == 20
    assert all(index < 20 for index in take(sampler(stored=0), 50))


@pytest.mark.parametrize('batch_size', [None, 1])
def test_a_batch_without_room_is_refused(batch_size: int | None) -> None:
    with pytest.raises(ConfigError, match='train_dataloader.batch_size.*at least 2'):
        sampler(batch_size=batch_size)
