"""Stored images: the file that lists them, and properties of the selections."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmciss.datasets.exemplars import SELECTIONS, Exemplar, Memory, select_class_balanced
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
