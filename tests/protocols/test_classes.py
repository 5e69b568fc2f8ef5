"""Reading classes and orders."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmciss.errors import ConfigError
from mmciss.protocols.class_orders import CLASS_NAMES
from mmciss.protocols.classes import check_class_names, class_number, read_order

VOC = CLASS_NAMES['voc']


def test_names_and_numbers_are_classes() -> None:
    assert class_number('person', VOC, 'key') == class_number(15, VOC, 'key') == 15


@pytest.mark.parametrize(
    ('item', 'message'),
    [
        ('perso', "unknown class 'perso'. Did you mean 'person'"),
        ('zebra', 'Allowed: aeroplane, '),
        (21, 'no class 21; allowed are 1 to 20'),
        (-1, 'no class -1'),
        (0, '0 is the background'),
        (True, 'neither'),
        (1.0, 'neither'),
        (None, 'neither'),
    ],
)
def test_wrong_classes(item: object, message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        class_number(item, VOC, 'protocol.order')
    assert str(caught.value).startswith('protocol.order: ')


def test_orders() -> None:
    assert read_order(None, VOC) == read_order('a', VOC) == tuple(range(1, 21))
    assert read_order(VOC[::-1], VOC) == tuple(range(20, 0, -1))
    assert read_order('c', VOC, 'voc')[:3] == (13, 19, 15)


def test_a_seed_means_the_same_order_for_ever() -> None:
    assert read_order(0, VOC[:6]) == (6, 3, 2, 4, 1, 5)
    assert read_order(1, VOC[:6]) == (3, 2, 5, 1, 4, 6)


@given(seed=st.integers(0, 2**32 - 1), total=st.integers(1, 150))
def test_seeds_give_permutations(seed: int, total: int) -> None:
    names = check_class_names(None, total)
    assert sorted(read_order(seed, names)) == list(range(1, total + 1))


@pytest.mark.parametrize(
    ('order', 'message'),
    [
        ([1, 2, 2, 3], r'listed more than once: 2 \(bicycle\)'),
        ([1, 2, 3], r'missing: 4 \(boat\)'),
        (-1, 'seed -1 is outside'),
        (2.5, 'allowed are a letter'),
        ('b', 'no order'),
    ],
)
def test_wrong_orders(order: object, message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        read_order(order, VOC[:4])
    assert 'protocol.order' in str(caught.value)


def test_unknown_letters_list_the_known_ones() -> None:
    with pytest.raises(ConfigError, match="unknown order 'z' of voc. Allowed: a, "):
        read_order('z', VOC, 'voc')
    with pytest.raises(ConfigError, match='have 20 classes, the data set 19'):
        read_order('b', VOC[1:], 'voc')


@pytest.mark.parametrize(
    ('names', 'number', 'message'),
    [
        (None, None, 'at least one'),
        (None, 0, 'at least one'),
        (('a', 'b'), 3, '2 class names for 3'),
        (('a', 'a'), None, r"listed twice: \['a'\]"),
        (('background', 'a'), None, 'must not include'),
        (tuple(map(str, range(255))), None, 'allowed are 1 to 254'),
        ((), None, 'allowed are 1'),
    ],
)
def test_wrong_class_names(names: tuple | None, number: int | None, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        check_class_names(names, number)
