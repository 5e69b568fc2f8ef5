"""Names of protocols."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmciss.errors import ConfigError
from mmciss.protocols.names import canonical_name, parse_name, split_name
from tests.protocols.published_names import PUBLISHED_NAMES


@pytest.mark.parametrize(
    ('name', 'total', 'sizes'),
    [
        ('19-1', 20, (19, 1)),
        ('15-5', 20, (15, 5)),
        ('15-1', 20, (15, 1, 1, 1, 1, 1)),
        ('10-1', 20, (10, *[1] * 10)),
        ('10-5', 20, (10, 5, 5)),
        ('10-10', 20, (10, 10)),
        ('5-3', 20, (5, 3, 3, 3, 3, 3)),
        ('5-1', 20, (5, *[1] * 15)),
        ('5-5', 20, (5, 5, 5, 5)),
        ('2-1', 20, (2, *[1] * 18)),
        ('2-2', 20, (2,) * 10),
        ('offline', 20, (20,)),
        ('joint', 20, (20,)),
        ('15-5s', 20, (15, 1, 1, 1, 1, 1)),
        ('10-10s', 20, (10, *[1] * 10)),
        ('10-5-5', 20, (10, 5, 5)),
        ('100-50', 150, (100, 50)),
        ('100-10', 150, (100, *[10] * 5)),
        ('100-5', 150, (100, *[5] * 10)),
        ('50-50', 150, (50, 50, 50)),
        ('50-20', 150, (50, *[20] * 5)),
        ('14-1', 19, (14, *[1] * 5)),
        ('14-5', 19, (14, 5)),
        ('18-1', 19, (18, 1)),
        ('10-9', 19, (10, 9)),
        ('11-5', 21, (11, 5, 5)),
        ('11-1', 21, (11, *[1] * 10)),
        ('1-1', 21, (1,) * 21),
        ('3-1', 6, (3, 1, 1, 1)),
        ('4-2', 6, (4, 2)),
    ],
)
def test_published_names(name: str, total: int, sizes: tuple[int, ...]) -> None:
    assert parse_name(name, total) == sizes


@pytest.mark.parametrize(
    ('dataset', 'total'), [('voc', 20), ('ade20k', 150), ('cityscapes', 19), ('cityscapes domains', 21)]
)
def test_every_published_name_is_its_own_canonical_name(dataset: str, total: int) -> None:
    for name in PUBLISHED_NAMES[dataset]:
        assert canonical_name(parse_name(name, total)) == name


@given(base=st.integers(1, 60), increment=st.integers(1, 30), steps=st.integers(1, 9))
def test_names_parse_for_any_number_of_classes(base: int, increment: int, steps: int) -> None:
    sizes = parse_name(f'{base}-{increment}', base + increment * steps)
    assert sizes == (base, *[increment] * steps)
    assert parse_name(canonical_name(sizes), sum(sizes)) == sizes
    assert parse_name('-'.join(map(str, sizes)), sum(sizes)) == sizes


@given(base=st.integers(1, 20), increment=st.integers(1, 20), total=st.integers(1, 40))
def test_a_name_gives_all_classes_or_an_error(base: int, increment: int, total: int) -> None:
    try:
        sizes = parse_name(f'{base}-{increment}', total)
    except ConfigError as error:
        assert 'protocol.name' in str(error)
        assert total <= base or (total - base) % increment
    else:
        assert sum(sizes) == total and len(sizes) > 1


def test_too_few_classes() -> None:
    with pytest.raises(ConfigError, match="'15-1' needs more than 15 classes; the data set has 6"):
        parse_name('15-1', 6)
    with pytest.raises(ConfigError, match='offline'):
        parse_name('20-1', 20)


def test_a_smaller_last_step_is_refused_with_what_divides() -> None:
    with pytest.raises(ConfigError, match="'15-1', '15-5'") as caught:
        parse_name('15-2', 20)
    assert "'15-3'" not in str(caught.value)


@pytest.mark.parametrize('name', ['', '15', '15_1', 'fifteen', '15-', '15-1-', '1.5-1', '-15-1', '10-5-5s', '15-1\n'])
def test_unreadable_names(name: str) -> None:
    with pytest.raises(ConfigError, match='cannot read'):
        parse_name(name, 20)


@pytest.mark.parametrize('name', ['0-1', '15-0', '10-0-10'])
def test_empty_steps(name: str) -> None:
    with pytest.raises(ConfigError, match='no classes'):
        parse_name(name, 20)


def test_listed_sizes_must_add_up() -> None:
    with pytest.raises(ConfigError, match='have 21 classes, the data set has 20'):
        parse_name('10-5-6', 20)


@pytest.mark.parametrize(
    ('name', 'dataset', 'expected'),
    [
        ('15-1', 'voc', ('15-1', None)),
        ('15-5s_w', 'voc', ('15-5s', 'w')),
        ('15-1_b', 'voc', ('15-1', 'b')),
        ('19-1b', 'voc', ('19-1', '19-1b')),
        ('50', 'ade20k', ('50-50', 'a')),
        ('50c', 'ade20k', ('50-50', 'c')),
        ('100-10b', 'ade20k', ('100-10', 'b')),
        ('15-5s', None, ('15-5s', None)),
    ],
)
def test_orders_in_names(name: str, dataset: str | None, expected: tuple) -> None:
    assert split_name(name, dataset) == expected


def test_ambiguous_letters_are_refused() -> None:
    with pytest.raises(ConfigError, match="order='b'"):
        split_name('15-1b', 'voc')
