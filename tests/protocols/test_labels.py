"""Label policies: the rows of the papers' tables, and properties of every table."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mmseg.datasets.transforms import LoadAnnotations
from PIL import Image

from mmciss.errors import ConfigError
from mmciss.protocols import Protocol, check_ids, class_of_id, label_policy, unknown_ids
from mmciss.protocols.labels import ALLOWED, IGNORE, PRESETS, LabelPolicy, dataset_id_table

VOC_IDS = [0, 3, 16, 17, 20, 255]
"""Background, old, new, future, future, void at step 1 of 15-1 in natural order."""

policies = st.builds(LabelPolicy, **{name: st.sampled_from(choices) for name, choices in ALLOWED.items()})


def voc_step(index: int = 1, setting: str = 'overlapped'):
    return Protocol.from_name('15-1', 20, setting=setting)[index]


@pytest.mark.parametrize(
    ('preset', 'train', 'test', 'images'),
    [
        ('mib', [0, 0, 16, 0, 0, 0], [0, 3, 16, 255, 255, 255], 'seen'),
        ('sdr', [0, 0, 16, 0, 0, 0], [0, 3, 16, 255, 255, 255], 'seen'),
        ('plop', [0, 0, 16, 0, 0, 255], [0, 3, 16, 0, 0, 255], 'seen'),
        ('awt', [0, 0, 16, 0, 0, 255], [0, 3, 16, 0, 0, 255], 'seen'),
        ('rcil', [0, 0, 16, 0, 0, 255], [0, 3, 16, 0, 0, 255], 'seen'),
        ('gsc', [0, 0, 16, 0, 0, 255], [0, 3, 16, 0, 0, 255], 'seen'),
        ('dkd', [0, 0, 16, 0, 0, 255], [0, 3, 16, 0, 0, 255], 'seen'),
        ('ssul', [0, 0, 16, 0, 0, 255], [0, 3, 16, 255, 255, 255], 'all'),
    ],
)
def test_presets_on_voc(preset: str, train: list, test: list, images: str) -> None:
    policy = label_policy(preset, first_id=1)
    assert policy.train_table(voc_step(), 20, 1)[VOC_IDS].tolist() == train
    assert policy.test_table(voc_step(), 20, 1)[VOC_IDS].tolist() == test
    assert policy.test_images == images


@pytest.mark.parametrize(
    ('preset', 'train', 'test'),
    [
        # The ids of ADE20K after reduce_zero_label: class 5, class 101, class 150, void.
        ('mib', [0, 101, 0, 0], [5, 101, 255, 255]),
        ('plop', [0, 101, 0, 0], [5, 101, 0, 0]),
        ('dkd', [0, 101, 0, 0], [5, 101, 255, 0]),
        ('ssul', [0, 101, 0, 0], [5, 101, 255, 0]),
    ],
)
def test_presets_on_ade20k(preset: str, train: list, test: list) -> None:
    step = Protocol.from_name('100-10', 150)[1]
    policy = label_policy(preset, first_id=0)
    assert policy.train_table(step, 150, 0)[[4, 100, 149, 255]].tolist() == train
    assert policy.test_table(step, 150, 0)[[4, 100, 149, 255]].tolist() == test


def test_at_the_last_step_all_policies_test_alike_on_voc() -> None:
    tables = {label_policy(preset).test_table(voc_step(5), 20, 1).tobytes() for preset in PRESETS}
    assert len(tables) == 1


def test_arrival_order_decides_the_channel() -> None:
    step = Protocol.from_name('2-1', 3, order=[3, 1, 2])[1]
    assert LabelPolicy().test_table(step, 3, 1)[:4].tolist() == [0, 2, 3, 1]
    assert LabelPolicy().test_table(step, 3, 0)[:3].tolist() == [2, 3, 1]


def test_sequential_keeps_old_labels() -> None:
    for preset in PRESETS:
        policy = label_policy(preset, setting='sequential')
        assert policy.train_table(voc_step(), 20, 1)[VOC_IDS[:4]].tolist() == [0, 3, 16, 0]


def test_choices_for_old_and_future_labels() -> None:
    policy = LabelPolicy(old_train='ignore', future_train='ignore')
    assert policy.train_table(voc_step(), 20, 1)[VOC_IDS].tolist() == [0, 255, 16, 255, 255, 255]
    policy = LabelPolicy(future_train='keep')
    assert policy.train_table(voc_step(), 20, 1)[17] == IGNORE


@pytest.mark.parametrize('preset', PRESETS)
def test_domain_steps_keep_all_classes_and_have_no_background(preset: str) -> None:
    protocol = Protocol.from_domains('11-5', num_classes=19, dataset='cityscapes')
    policy = label_policy(preset, first_id=0, setting='domain')
    for step in protocol:
        for table in (policy.train_table(step, 19, 0), policy.test_table(step, 19, 0)):
            assert table[:19].tolist() == list(range(19)) and (table[19:] == IGNORE).all()


@given(policy=policies, data=st.data(), first_id=st.sampled_from([0, 1]))
def test_every_table_is_total_and_stays_in_its_channels(
    policy: LabelPolicy, data: st.DataObject, first_id: int
) -> None:
    total = data.draw(st.integers(2, 12))
    base = data.draw(st.integers(1, total - 1))
    protocol = Protocol.from_name(f'{base}-1', total, order=data.draw(st.integers(0, 99)))
    step = protocol[data.draw(st.integers(0, len(protocol) - 1))]
    train, test = (make(step, total, first_id) for make in (policy.train_table, policy.test_table))
    for table in (train, test):
        assert table.shape == (256,) and table.dtype == np.uint8
        assert all(value < step.num_seen or value == IGNORE for value in table.tolist())
        assert (table[first_id + total : 255] == IGNORE).all()
    for number in step.new:
        position = number - 1 + first_id
        assert train[position] == test[position] == step.channel_of[number]
    for number in step.old:
        assert test[number - 1 + first_id] == step.channel_of[number]
    if first_id == 1:
        assert train[0] == test[0] == 0
    # No class but a new one may train a new channel.
    hidden = set(train.tolist()) & {step.channel_of[number] for number in step.new}
    assert hidden == {step.channel_of[number] for number in step.new}
    assert sum(value in hidden for value in train.tolist()) == len(step.new)


def test_fields_over_a_preset() -> None:
    policy = label_policy({'preset': 'mib', 'void_train': 'ignore'})
    assert (policy.void_train, policy.future_test) == ('ignore', 'ignore')
    assert label_policy({'test_images': 'all'}) == LabelPolicy(test_images='all')
    assert label_policy(None) == label_policy('PLOP') == LabelPolicy()
    assert label_policy({'old_train': 'background'}, setting='sequential').old_train == 'background'
    assert label_policy(policy) is policy


@pytest.mark.parametrize(
    ('value', 'message'),
    [
        ('plopp', "label_policy: unknown preset 'plopp'.*Did you mean 'plop'"),
        ({'void': 'ignore'}, "label_policy: unknown field 'void'.*void_train"),
        ({'void_train': 'drop'}, r"\.void_train: unknown choice 'drop'. Allowed: background, ignore"),
    ],
)
def test_wrong_policies_name_the_key(value: object, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        label_policy(value)


def test_every_field_has_choices_and_its_default_is_one() -> None:
    assert {field.name for field in fields(LabelPolicy)} == set(ALLOWED)
    assert all(field.default in ALLOWED[field.name] for field in fields(LabelPolicy))


def test_class_of_id() -> None:
    assert class_of_id(20, 1)[[0, 1, 20, 21, 255]].tolist() == [0, 1, 20, -1, -1]
    assert class_of_id(150, 0)[[0, 149, 150, 255]].tolist() == [1, 150, -1, 0]


def test_ids_outside_the_classes_are_named() -> None:
    assert unknown_ids(range(21), 20, 1) == [] and unknown_ids([255, 19], 20, 0) == []
    assert unknown_ids([20, 255, 20], 20, 0) == [20]
    check_ids([0, 20, 255], 20, 1)
    with pytest.raises(ConfigError, match='mask.png: label ids 21, 254 .* 0 to 20 and 255'):
        check_ids([254, 21, 3], 20, 1, where='mask.png')


@pytest.mark.parametrize(('num_classes', 'first_id'), [(0, 1), (255, 1), (256, 0), (20, 2)])
def test_impossible_data_sets(num_classes: int, first_id: int) -> None:
    with pytest.raises(ValueError, match='num_classes|first_id'):
        class_of_id(num_classes, first_id)


def test_a_step_without_new_classes_never_loses_its_labels() -> None:
    step = Protocol.from_domains('11-5', num_classes=19, dataset='cityscapes')[1]
    table = LabelPolicy(old_train='background').train_table(step, 19, 0)
    assert table[:19].tolist() == list(range(19))


@settings(max_examples=25, deadline=None)
@given(st.booleans(), st.dictionaries(st.integers(0, 150), st.integers(0, 255), max_size=20))
def test_table_does_what_the_loader_does(tmp_path_factory: object, reduce: bool, label_map: dict[int, int]) -> None:
    path = Path(tmp_path_factory.getbasetemp()) / 'all_ids.png'
    Image.fromarray(np.arange(256, dtype=np.uint8).reshape(16, 16)).save(path)
    results = LoadAnnotations()(
        dict(seg_map_path=str(path), reduce_zero_label=reduce, label_map=label_map or None, seg_fields=[])
    )
    table = dataset_id_table(reduce, label_map or None)
    assert np.array_equal(results['gt_seg_map'].ravel(), table)
