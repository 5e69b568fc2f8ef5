from __future__ import annotations

import pytest

from mmciss.errors import ConfigError
from mmciss.models.classifiers.head_config import (
    check_class_weights,
    check_countable,
    num_classes_of,
    segmentor_classes,
    with_num_classes,
)
from tests.models.tiny_heads import tiny_segmentor


def test_inner_heads_are_counted_and_changed() -> None:
    head = tiny_segmentor('IterativeDecodeHead', 5).decode_head
    assert num_classes_of(head) == 5
    changed = with_num_classes(head, 7)
    assert num_classes_of(changed) == 7 and num_classes_of(head) == 5
    assert changed.kernel_update_head[0].num_classes == 7
    assert changed.kernel_generate_head.num_classes == 7


def test_the_last_decode_head_has_the_classes_of_the_segmentor() -> None:
    heads = [dict(type='FCNHead', num_classes=2), dict(type='FCNHead', num_classes=4)]
    assert segmentor_classes(dict(decode_head=heads, auxiliary_head=dict(type='FCNHead', num_classes=7))) == 4


def test_out_channels_follow_only_where_they_are_the_classes() -> None:
    head = dict(type='FCNHead', num_classes=5, out_channels=5)
    assert with_num_classes(head, 6) == dict(type='FCNHead', num_classes=6, out_channels=6)


def test_no_number_anywhere() -> None:
    with pytest.raises(ConfigError, match=r'model.auxiliary_head.num_classes is missing'):
        num_classes_of(dict(type='FCNHead'), 'model.auxiliary_head')


@pytest.mark.parametrize('binary', [dict(out_channels=1), dict(threshold=0.3)])
def test_binary_heads_are_refused(binary: dict) -> None:
    with pytest.raises(ConfigError, match='model.decode_head: FCNHead with .* binary'):
        check_countable(dict(type='FCNHead', num_classes=2, **binary), 'model.decode_head')


def test_class_weights_of_another_length_are_refused() -> None:
    head = dict(type='FCNHead', num_classes=3, loss_decode=[dict(type='CrossEntropyLoss', class_weight=[1.0, 1.0])])
    with pytest.raises(ConfigError, match='class_weight of CrossEntropyLoss has 2 v.*3 channels'):
        check_class_weights(head, 3, 'model.decode_head')
    check_class_weights(head, 2, 'model.decode_head')
