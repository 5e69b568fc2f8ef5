"""Stored images: the file that lists them, properties of the selections, and their options."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmciss.datasets.exemplars import SELECTIONS, Exemplar, Memory, ReplayOptions, select_class_balanced
from mmciss.errors import ConfigError

CANDIDATES = st.lists(st.sets(st.integers(1, 6), max_size=4), max_size=30).map(
    lambda rows: [Exemplar(f'{index:02d}.jpg', 0, tuple(row)) for index, row in enumerate(rows)]
)


def test_what_is_saved_is_loaded(tmp_path: Path) -> None:
    memory = Memory(2, (Exemplar('a.jpg', 0, (3, 1)), Exemplar('b.jpg', 2)), 'key')
    memory.save(tmp_path / 'memory.json')
    assert Memory.load(tmp_path / 'memory.json') == memory
    assert memory.exemplars[0].classes == (1, 3)


@pytest.mark.parametrize('content', [None, '', '{"step": 0}', '{"step": 0, "key": "", "exemplars": [{"no": 1}]}', '[]'])
def test_a_file_that_is_no_memory_is_refused(tmp_path: Path, content: str | None) -> None:
    path = tmp_path / 'memory.json'
    if content is not None:
        path.write_text(content)
    with pytest.raises(ConfigError, match=r'method.memory: .*memory.json is missing or not a list'):
        Memory.load(path)


@pytest.mark.parametrize('name', list(SELECTIONS))
@given(candidates=CANDIDATES, size=st.integers(1, 20), seed=st.integers(0, 2**60))
def test_size_uniqueness_and_independence_of_order(name: str, candidates: list[Exemplar], size: int, seed: int) -> None:
    chosen = SELECTIONS[name](candidates, size, seed)
    assert len(chosen) == min(size, len(candidates))
    assert len({item.path for item in chosen}) == len(chosen)
    assert set(chosen) <= set(candidates)
    assert SELECTIONS[name](candidates[::-1], size, seed) == chosen


@given(candidates=CANDIDATES, size=st.integers(1, 20), seed=st.integers(0, 2**60))
def test_every_class_gets_its_share(candidates: list[Exemplar], size: int, seed: int) -> None:
    available = Counter(number for item in candidates for number in item.classes)
    chosen = Counter(number for item in select_class_balanced(candidates, size, seed) for number in item.classes)
    for number, count in available.items():
        assert chosen[number] >= min(count, size // len(available))


def test_a_rare_class_is_kept_among_many_images_of_a_common_one() -> None:
    candidates = [Exemplar(f'{i:03d}', 0, (1,)) for i in range(200)]
    candidates += [Exemplar('rare0', 0, (2,)), Exemplar('rare1', 0, (2,))]
    for seed in range(10):
        chosen = select_class_balanced(candidates, 6, seed)
        assert {'rare0', 'rare1'} <= {item.path for item in chosen}


def test_another_seed_chooses_others() -> None:
    candidates = [Exemplar(f'{i:03d}', 0, (i % 5 + 1,)) for i in range(100)]
    assert select_class_balanced(candidates, 10, 0) != select_class_balanced(candidates, 10, 1)


def test_a_method_without_memory_has_no_options() -> None:
    assert ReplayOptions.from_method(None) is None
    assert ReplayOptions.from_method(dict(name='MiB', memory=None)) is None
    options = ReplayOptions.from_method(dict(memory=dict(size=5, mode='batch')))
    assert options == ReplayOptions(5, 'class_balanced', 'batch', 'current')


@pytest.mark.parametrize(
    ('memory', 'message'),
    [
        (dict(), r'method.memory.size is missing'),
        (dict(size=0), r'method.memory.size: must be a positive number of images, found 0'),
        (dict(size=True), r'method.memory.size: must be'),
        (dict(size=2.5), r'method.memory.size: must be .* found 2.5'),
        (dict(size=5, candidates='guesses'), r"method.memory.candidates.*'guesses'"),
        (
            dict(size=5, candidates='crops', labels='full'),
            r"method.memory.candidates: 'crops'.*allowed with it: 'images'",
        ),
        (dict(size=5, selection='best'), r"method.memory.selection.*'best'"),
        (dict(size=5, mode='concatenate'), r"method.memory.mode.*'concatenate'.*concat"),
        (dict(size=5, labels='all'), r"method.memory.labels.*'all'"),
        (dict(size=5, label='full'), r"method.memory.label: unknown option 'label'.*labels"),
    ],
)
def test_wrong_options_name_the_key(memory: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        ReplayOptions.from_method(dict(memory=memory))


def test_a_memory_larger_than_the_data_is_refused() -> None:
    ReplayOptions(40).check([40, 3])
    with pytest.raises(ConfigError, match=r'memory.size: 41, but the base step has only 40 images; allowed: 1 to 40'):
        ReplayOptions(41).check([40, 100])
