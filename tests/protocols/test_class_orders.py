"""Classes and class orders: published ones and those that users give; each is a permutation."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmciss.errors import ConfigError
from mmciss.protocols import Protocol
from mmciss.protocols.class_orders import (
    CLASS_NAMES,
    NUM_CLASSES,
    ORDERS,
    check_class_names,
    class_number,
    read_order,
    recognise,
)

LETTERS = 'bcdefghijklmnopqrstuvw'


def steps(name: str, order: str, dataset: str) -> list[set[int]]:
    protocol = Protocol.from_name(name, NUM_CLASSES[dataset], order=order, dataset=dataset)
    return [set(step.new) for step in protocol]


def test_all_orders_are_permutations() -> None:
    for dataset, orders in ORDERS.items():
        for letter, order in orders.items():
            assert sorted(order) == list(range(1, NUM_CLASSES[dataset] + 1)), (dataset, letter)


def test_the_22_orders_of_voc_15_1() -> None:
    assert set(LETTERS) < set(ORDERS['voc'])
    assert len({ORDERS['voc'][letter] for letter in LETTERS}) == 22


@pytest.mark.parametrize(
    ('letter', 'base', 'later'),
    [
        ('b', (12, 9, 20, 7, 15, 8, 14, 16, 5, 19, 4, 1, 13, 2, 11), (17, 3, 6, 18, 10)),
        ('m', (18, 4, 14, 17, 12, 10, 7, 3, 9, 1, 8, 15, 6, 13, 2), (5, 11, 20, 16, 19)),
        ('p', (9, 12, 13, 18, 2, 11, 15, 17, 10, 8, 4, 5, 20, 16, 6), (14, 19, 1, 7, 3)),
        ('w', (1, 2, 12, 14, 13, 19, 18, 7, 11, 20, 8, 4, 9, 16, 10), (3, 15, 6, 5, 17)),
    ],
)
def test_orders_of_voc_as_printed(letter: str, base: tuple, later: tuple) -> None:
    protocol = Protocol.from_name('15-1', 20, order=letter, dataset='voc')
    assert protocol[0].new == base
    assert tuple(step.new[0] for step in protocol[1:]) == later


def test_19_1b_leaves_class_5_for_the_end() -> None:
    protocol = Protocol.from_name('19-1b', 20, dataset='voc')
    assert protocol.name == '19-1' and protocol[1].new == (5,)


def test_ade_order_b() -> None:
    assert steps('100-10', 'b', 'ade20k')[1] == {11, 16, 50, 64, 66, 73, 89, 92, 145, 146}
    assert steps('100-10', 'b', 'ade20k')[5] == {17, 20, 59, 68, 83, 94, 102, 122, 127, 137}
    assert {2, 4, 7, 145, 146} < steps('100-50', 'b', 'ade20k')[1]
    assert {1, 9, 14, 136, 144} < steps('50-50', 'b', 'ade20k')[0]


def test_ade_order_c() -> None:
    assert steps('100-10', 'c', 'ade20k')[1] == {3, 4, 7, 18, 39, 64, 73, 101, 113, 137}
    assert steps('100-10', 'c', 'ade20k')[5] == {15, 21, 72, 75, 88, 93, 103, 107, 122, 150}
    assert {5, 10, 11, 146, 147} < steps('50-50', 'c', 'ade20k')[0]


@pytest.mark.parametrize('letter', 'bc')
def test_protocols_of_one_order_refine_each_other(letter: str) -> None:
    fifty, ten = steps('100-50', letter, 'ade20k'), steps('100-10', letter, 'ade20k')
    thirds = steps('50-50', letter, 'ade20k')
    assert fifty[0] == ten[0] == thirds[0] | thirds[1]
    assert fifty[1] == set.union(*ten[1:]) == thirds[2]


def test_order_c_is_the_published_permutation(lists: Path) -> None:
    # The file is called 'order-b', but its blocks are those of the repository's order c.
    printed = re.findall(r'\d+', (lists / 'mib_ade' / 'order-b.txt').read_text())
    assert ORDERS['ade20k']['c'] == tuple(map(int, printed))


def test_data_sets_are_known_by_their_classes() -> None:
    mmseg = pytest.importorskip('mmseg.datasets')
    assert recognise(mmseg.PascalVOCDataset.METAINFO['classes'][1:]) == 'voc'
    assert recognise(mmseg.ADE20KDataset.METAINFO['classes']) == 'ade20k'
    assert recognise(mmseg.CityscapesDataset.METAINFO['classes']) == 'cityscapes'
    assert recognise(CLASS_NAMES['voc'][::-1]) is None


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
