"""Building a protocol from the config key ``protocol``."""

from __future__ import annotations

import pytest

from mmciss.errors import ConfigError
from mmciss.protocols import Protocol, build_protocol
from mmciss.protocols.class_orders import CLASS_NAMES

VOC, CITYSCAPES = CLASS_NAMES['voc'], CLASS_NAMES['cityscapes']


def test_name_and_setting() -> None:
    protocol = build_protocol({'name': '15-1', 'setting': 'disjoint', 'order': None}, VOC)
    assert protocol == Protocol.from_name('15-1', class_names=VOC, setting='disjoint')
    assert build_protocol(protocol, VOC) is protocol
    assert build_protocol({'name': '15-1', 'label_policy': 'mib'}, VOC).setting == 'overlapped'


def test_published_orders_are_found_by_the_class_names() -> None:
    assert build_protocol({'name': '15-1', 'order': 'b'}, VOC)[1].new == (17,)
    mine = tuple(f'shape {number}' for number in range(20))
    with pytest.raises(ConfigError, match="no order 'b' is published"):
        build_protocol({'name': '15-1', 'order': 'b'}, mine)
    assert build_protocol({'name': '15-1', 'order': 'b', 'dataset': 'voc'}, mine)[1].new == (17,)


def test_steps_by_name() -> None:
    steps = [['cat', 'dog'], ['cow'], [name for name in VOC if name not in ('cat', 'dog', 'cow')]]
    protocol = build_protocol({'steps': steps, 'name': 'animals'}, VOC)
    assert protocol.name == 'animals' and protocol[0].new == (8, 12) and len(protocol) == 3
    with pytest.raises(ConfigError, match=r'protocol\.order'):
        build_protocol({'steps': steps, 'order': 3}, VOC)


def test_class_incremental_protocols_always_have_a_background() -> None:
    assert build_protocol({'name': '14-1'}, CITYSCAPES, background=False)[0].num_seen == 15
    domain = build_protocol({'name': '11-5', 'setting': 'domain'}, CITYSCAPES, background=False)
    assert domain[0].num_seen == 19 and domain[1].domains[0] == 'dusseldorf'
    assert domain[0].names[0] == 'road'


def test_domains_imply_the_setting() -> None:
    domains = [['ulm'], ['jena', 'erfurt']]
    protocol = build_protocol({'domains': domains, 'holdout': 0.2}, CITYSCAPES)
    assert protocol.setting == 'domain' and protocol.holdout == 0.2 and len(protocol) == 2
    protocol = build_protocol({'name': '1-1', 'domains': ['day', 'night']}, CITYSCAPES)
    assert [step.domains for step in protocol] == [('day',), ('night',)]


def test_held_out_images_are_training_images_but_for_domains() -> None:
    assert build_protocol({'name': '15-1', 'holdout': 0.2}, VOC).held_out == 0.2
    assert build_protocol({'name': '15-1', 'holdout': 0.2, 'joint': True}, VOC).held_out == 0.2
    assert build_protocol({'domains': [['ulm']], 'holdout': 0.2}, CITYSCAPES).held_out == 0


def test_image_lists_imply_the_setting() -> None:
    protocol = build_protocol({'name': '19-1', 'split_files': ['a.txt', 'b.txt']}, VOC)
    assert protocol.setting == 'explicit' and protocol.split_files == ('a.txt', 'b.txt')


def test_joint() -> None:
    assert build_protocol({'name': '15-5', 'joint': True}, VOC).report_sizes(0) == (16, 5)
    assert len(build_protocol({'name': '15-5', 'joint': False}, VOC)) == 2


@pytest.mark.parametrize(
    ('config', 'message'),
    [
        ({}, 'needs name'),
        ({'nam': '15-1'}, r"protocol\.nam: unknown key 'nam'.*Did you mean 'name'"),
        ({'name': '15-1', 'setting': 'overlap'}, r"protocol\.setting.*Did you mean 'overlapped'"),
        ({'name': '15-1', 'domains': [['ulm']], 'setting': 'disjoint'}, r'\.domains: allowed only'),
        ({'name': '15-1', 'holdout': 1.2}, r'protocol\.holdout: 1\.2 is not'),
        ({'name': '15-1', 'holdout': True}, r'protocol\.holdout: True'),
        ({'domains': [['ulm']], 'holdout': 1.0}, r'protocol\.holdout: 1\.0'),
        ({'domains': [['ulm']], 'order': 'b'}, r'protocol\.order: not allowed'),
        ({'domains': ['ulm', 'jena']}, r'protocol\.name: needed'),
        ({'name': '15-1', 'dataset': 'coco'}, r'protocol\.dataset'),
        ({'name': '15-1', 'setting': 'partitioned', 'seed': -1}, r'protocol\.seed: -1'),
        ({'name': '15-1', 'setting': 'partitioned', 'seed': True}, r'protocol\.seed: True'),
        ({'name': '21-1'}, 'needs more than 21 classes'),
    ],
)
def test_wrong_configs_name_the_key(config: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        build_protocol(config, VOC)
