"""Which images a step sees: published counts and lists, and properties."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmciss.errors import ConfigError
from mmciss.protocols import ClassPresence, Protocol, select_images, select_test_images
from mmciss.protocols.settings import hold_out, partition

OVERLAPPED = {
    '19-1': [10410, 548],
    '15-5': [9568, 2145],
    '15-1': [9568, 487, 299, 491, 500, 548],
    '10-1': [6139, 528, 1177, 444, 482, 3898, 487, 299, 491, 500, 548],
    '10-5': [6139, 5542, 2145],
    '10-10': [6139, 6876],
    '5-3': [2836, 2331, 1542, 2095, 4484, 1468],
    '5-1': [2836, 385, 1086, 1000, 1081, 264, 528, 1177, 444, 482, 3898, 487, 299, 491, 500, 548],
}
DISJOINT = {
    '19-1': [10034, 548],
    '15-5': [8437, 2145],
    '15-1': [8437, 378, 299, 420, 500, 548],
    '10-1': [3706, 188, 868, 227, 201, 3247, 378, 299, 420, 500, 548],
    '10-5': [3706, 4731, 2145],
    '10-10': [3706, 6876],
    '5-3': [1753, 1517, 624, 1296, 3924, 1468],
}
TEST_IMAGES = {
    '15-1': [1240, 1277, 1329, 1353, 1421, 1449],
    '15-5': [1240, 1449],
    '19-1': [1421, 1449],
    '10-1': [869, 893, 1005, 1081, 1140, 1240, 1277, 1329, 1353, 1421, 1449],
    '5-3': [433, 699, 893, 1140, 1329, 1449],
}
ADE_OVERLAPPED = {
    '100-50': [20192, 9390],
    '100-10': [20192, 1710, 2294, 2747, 4279, 2844],
    '100-5': [20192, 1142, 600, 1234, 1204, 1151, 1874, 1807, 2943, 1238, 1898],
    '50-50': [20177, 13186, 9390],
}
ADE_PARTITIONS = {
    '100-50': ('100-50', 'a', [13452, 6744]),
    '50': ('50-50', 'a', [8219, 6384, 5593]),
    '100-10': ('100-10', 'a', [13452, 1130, 1200, 1366, 1550, 1498]),
    '100-50b': ('100-50', 'b', [10375, 9821]),
    '50b': ('50-50', 'b', [6659, 7483, 6054]),
    '100-10b': ('100-10', 'b', [10375, 1362, 1346, 2084, 2609, 2420]),
}
MIB_VOC = {'15-5': '15-5', '15-5s': '15-1', '19-1': '19-1'}


def images_of_steps(protocol: Protocol, presence: ClassPresence, paths: list[str] | None = None) -> list[np.ndarray]:
    return [select_images(protocol, index, presence, paths) for index in range(len(protocol))]


def check_partition(parts: list[np.ndarray], whole: set[int]) -> None:
    assert not any(set(a) & set(b) for a, b in combinations(map(np.ndarray.tolist, parts), 2))
    assert set().union(*(part.tolist() for part in parts)) == whole


# ---- published counts ----------------------------------------------------------------------------
@pytest.mark.parametrize('name', OVERLAPPED)
def test_counts_of_voc_overlapped(voc: dict, name: str) -> None:
    parts = images_of_steps(Protocol.from_name(name, 20), voc['train'])
    assert [*map(len, parts)] == OVERLAPPED[name]
    assert len(set().union(*map(np.ndarray.tolist, parts))) == 10582


@pytest.mark.parametrize('name', DISJOINT)
@pytest.mark.parametrize('setting', ['disjoint', 'sequential'])
def test_counts_of_voc_disjoint(voc: dict, name: str, setting: str) -> None:
    parts = images_of_steps(Protocol.from_name(name, 20, setting=setting), voc['train'])
    assert [*map(len, parts)] == DISJOINT[name]
    check_partition(parts, set(range(10582)))


@pytest.mark.parametrize('name', TEST_IMAGES)
def test_counts_of_voc_test_images(voc: dict, name: str) -> None:
    protocol = Protocol.from_name(name, 20)
    steps = range(len(protocol))
    assert [len(select_test_images(protocol, k, voc['val'])) for k in steps] == TEST_IMAGES[name]
    assert all(len(select_test_images(protocol, k, voc['val'], 'all')) == 1449 for k in steps)


@pytest.mark.parametrize('published', MIB_VOC)
@pytest.mark.parametrize(('suffix', 'setting'), [('', 'disjoint'), ('-ov', 'overlapped')])
def test_published_lists_of_voc_image_by_image(
    voc: dict, voc_stems: list[str], lists: Path, published: str, suffix: str, setting: str
) -> None:
    protocol = Protocol.from_name(published, 20, setting=setting)
    assert protocol.name == MIB_VOC[published]
    folder = lists / 'mib_voc' / f'{published}{suffix}'
    assert len(list(folder.iterdir())) == len(protocol)
    for index, chosen in enumerate(images_of_steps(protocol, voc['train'])):
        expected = (folder / f'train-{index}.txt').read_text().split()
        assert sorted(voc_stems[image] for image in chosen) == sorted(expected)


def test_published_lists_of_voc_as_explicit_lists(voc: dict, voc_stems: list[str], lists: Path) -> None:
    folder = lists / 'mib_voc' / '15-5s-ov'
    files = [str(folder / f'train-{index}.txt') for index in range(6)]
    protocol = Protocol.from_name('15-1', 20, setting='explicit', split_files=files)
    paths = [f'JPEGImages/{stem}.jpg' for stem in voc_stems]
    overlapped = images_of_steps(Protocol.from_name('15-1', 20), voc['train'])
    for listed, computed in zip(images_of_steps(protocol, voc['train'], paths=paths), overlapped, strict=True):
        assert np.array_equal(listed, computed)
    assert len(select_images(protocol.merged(), 0, voc['train'], paths)) == 10582


@pytest.mark.parametrize('name', ADE_OVERLAPPED)
def test_counts_of_ade20k_overlapped(ade: dict, name: str) -> None:
    protocol = Protocol.from_name(name, 150)
    assert [*map(len, images_of_steps(protocol, ade['train']))] == ADE_OVERLAPPED[name]
    tests = [len(select_test_images(protocol, k, ade['val'])) for k in range(len(protocol))]
    assert tests == [1997 if name == '50-50' else 2000] + [2000] * (len(protocol) - 1)


@pytest.mark.parametrize('folder', ADE_PARTITIONS)
def test_published_partitions_of_ade20k(ade: dict, lists: Path, folder: str) -> None:
    name, order, counts = ADE_PARTITIONS[folder]
    files = [str(lists / 'mib_ade' / folder / f'train-{index}.txt') for index in range(len(counts))]
    protocol = Protocol.from_name(name, 150, order=order, dataset='ade20k', setting='explicit', split_files=files)
    paths = [f'ADE_train_{number:08}.jpg' for number in range(1, 20211)]
    parts = images_of_steps(protocol, ade['train'], paths=paths)
    assert [*map(len, parts)] == counts and sum(counts) == 20196
    check_partition(parts, set(np.flatnonzero(ade['train'].matrix[:, 1:].any(1)).tolist()))
    for step, part in zip(protocol, parts, strict=True):
        # Each image shows a class of its step: the order of the classes is the published one.
        assert ade['train'].has_any(step.new)[part].all()


# ---- the partitioned setting ---------------------------------------------------------------------
def test_partitions_of_voc(voc: dict) -> None:
    protocols = [Protocol.from_name(name, 20, setting='partitioned') for name in ('15-1', '15-5')]
    fine, coarse = (images_of_steps(protocol, voc['train']) for protocol in protocols)
    check_partition(fine, set(range(10582)))
    check_partition(coarse, set(range(10582)))
    assert np.array_equal(fine[0], coarse[0])
    assert [*map(len, fine)] == [9017, 309, 237, 311, 360, 348]
    other = Protocol.from_name('15-1', 20, setting='partitioned', seed=1)
    assert not np.array_equal(select_images(other, 0, voc['train']), fine[0])


def test_partitions_are_balanced(voc: dict) -> None:
    owner = partition(voc['train'])
    share = np.bincount(owner, minlength=21)[1:] / voc['train'].matrix.sum(0)[1:]
    # Person is in four of ten images with others, so that no class can keep all of its images.
    assert share.min() > 0.55 and share.max() < 1


presences = st.integers(2, 6).flatmap(
    lambda classes: st.lists(st.sets(st.integers(1, classes)), min_size=1, max_size=12).map(
        lambda labels: ClassPresence.from_labels(labels, classes)
    )
)


@given(presence=presences, order=st.integers(0, 9), seed=st.integers(0, 9))
def test_settings_of_any_data(presence: ClassPresence, order: int, seed: int) -> None:
    def images(setting: str) -> list[np.ndarray]:
        protocol = Protocol.from_name('1-1', presence.num_classes, order=order, setting=setting, seed=seed)
        found = []
        for index in range(len(protocol)):
            try:
                found.append(select_images(protocol, index, presence))
            except ConfigError:
                found.append(np.zeros(0, dtype=np.int64))
            assert np.array_equal(found[-1], np.unique(found[-1]))
            assert presence.has_any(protocol[index].new)[found[-1]].all()
        return found

    labelled = set(np.flatnonzero(presence.matrix[:, 1:].any(1)).tolist())
    overlapped, disjoint, partitioned = map(images, ('overlapped', 'disjoint', 'partitioned'))
    check_partition(disjoint, labelled)
    check_partition(partitioned, labelled)
    assert set().union(*map(np.ndarray.tolist, overlapped)) == labelled
    for all_of_class, first, one in zip(overlapped, disjoint, partitioned, strict=True):
        assert set(first) <= set(all_of_class) and set(one) <= set(all_of_class)
    # The last step knows all classes, so that nothing of it is kept back.
    assert np.array_equal(overlapped[-1], disjoint[-1])


# ---- domains -------------------------------------------------------------------------------------
CITIES = ['ulm'] * 10 + ['jena'] * 5 + ['bonn'] * 20
CITY_PATHS = [f'{city}/{city}_{index}.png' for index, city in enumerate(CITIES)]


def cities(holdout: float = 0.0) -> tuple[Protocol, ClassPresence]:
    protocol = Protocol.from_domains([['jena'], ['bonn', 'ulm']], num_classes=2, holdout=holdout)
    return protocol, ClassPresence.from_labels([[1]] * 35, 2)


def test_domains() -> None:
    protocol, presence = cities()
    first, second = images_of_steps(protocol, presence, paths=CITY_PATHS)
    assert first.tolist() == list(range(10, 15))
    assert second.tolist() == [*range(10), *range(15, 35)]
    assert len(select_test_images(protocol, 0, presence)) == 35


def test_held_out_images_are_tested_once_their_domain_is_seen() -> None:
    protocol, presence = cities(0.2)
    train = images_of_steps(protocol, presence, paths=CITY_PATHS)
    test = [select_test_images(protocol, index, presence, paths=CITY_PATHS) for index in (0, 1)]
    assert [*map(len, train)] == [4, 24] and [*map(len, test)] == [1, 7]
    assert set(test[0]) < set(test[1])
    check_partition([*train, test[1]], set(range(35)))
    # Joint training is tested on the very same images.
    joint = protocol.merged()
    assert np.array_equal(select_test_images(joint, 0, presence, paths=CITY_PATHS), test[1])
    union = np.sort(np.concatenate(train))
    assert np.array_equal(select_images(joint, 0, presence, CITY_PATHS), union)


@given(count=st.integers(0, 50), share=st.floats(0, 0.99), seed=st.integers(0, 99))
def test_hold_out_loses_nothing(count: int, share: float, seed: int) -> None:
    train, test = hold_out(np.arange(count), share, seed)
    check_partition([train, test], set(range(count)))
    assert abs(len(test) - share * count) <= 0.5


# ---- held-out training images -------------------------------------------------------------------
@pytest.mark.parametrize('setting', ['overlapped', 'disjoint', 'sequential', 'partitioned'])
def test_no_step_learns_from_what_is_tested(setting: str) -> None:
    presence = ClassPresence.from_labels([[1 + index % 3, 3] for index in range(30)] + [[]] * 10, 3)
    protocol = Protocol.from_name('1-1', 3, setting=setting, seed=7, holdout=0.25)
    whole = Protocol.from_name('1-1', 3, setting=setting, seed=7)
    held_out = select_test_images(protocol, 0, presence, 'all')
    assert held_out.tolist() == hold_out(np.arange(40), 0.25, 7)[1].tolist() and len(held_out) == 10
    for index in range(3):
        tested = select_test_images(protocol, index, presence)
        assert set(tested) == set(held_out) & set(presence.images_with(protocol[index].seen))
    learned = select_images(protocol, 2, presence)
    assert set(learned) == set(select_images(whole, 2, presence)) - set(held_out)
    other = Protocol.from_name('2-1', 3, setting=setting, seed=7, holdout=0.25).merged()
    assert select_test_images(other, 0, presence, 'all').tolist() == held_out.tolist(), 'whatever the protocol'


def test_images_that_are_all_held_out_or_none() -> None:
    presence = ClassPresence.from_labels([[1], [1], [1], [2]], 2)
    with pytest.raises(ConfigError, match=r'protocol\.holdout: 0\.1 of 4 training images is none'):
        select_images(Protocol.from_name('1-1', 2, holdout=0.1), 0, presence)
    seed = next(seed for seed in range(20) if hold_out(np.arange(4), 0.25, seed)[1].tolist() == [3])
    with pytest.raises(ConfigError, match=r'step 1 .* without the 25 % held out \(protocol\.holdout\); it learns'):
        select_images(Protocol.from_name('1-1', 2, holdout=0.25, seed=seed), 1, presence)


# ---- errors --------------------------------------------------------------------------------------
def test_steps_without_images() -> None:
    presence = ClassPresence.from_labels([[1], [1, 2]], 3)
    protocol = Protocol.from_lists([['a', 'b'], ['c']], class_names=('a', 'b', 'c'))
    with pytest.raises(ConfigError, match=r"step 1 of '2-1' \(overlapped\) has no .*3 \(c\)"):
        select_images(protocol, 1, presence)


def test_what_does_not_fit() -> None:
    protocol, presence = cities()
    with pytest.raises(ValueError, match='needs the path of every image'):
        select_images(protocol, 0, presence)
    with pytest.raises(ValueError, match='1 paths for 35 images'):
        select_images(protocol, 0, presence, ['ulm/1.png'])
    with pytest.raises(ValueError, match='presence of 2 classes for a protocol of 20'):
        select_images(Protocol.from_name('15-1', 20), 0, presence)
    with pytest.raises(ConfigError, match='test_images'):
        select_test_images(protocol, 0, presence, 'some')
