"""Protocols from names, lists and domains."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmciss.errors import ConfigError
from mmciss.protocols import Protocol, Step


@st.composite
def protocols(draw: st.DrawFn) -> Protocol:
    """Any class-incremental protocol of up to 30 classes in any order."""
    base, increment = draw(st.integers(1, 9)), draw(st.integers(1, 4))
    later = draw(st.integers(1, 5))
    total = base + increment * later
    return Protocol.from_name(
        f'{base}-{increment}', total, order=draw(st.permutations(range(1, total + 1))), background=draw(st.booleans())
    )


@given(protocol=protocols())
def test_steps_partition_the_classes_and_channels_are_a_bijection(protocol: Protocol) -> None:
    assert sorted(number for step in protocol for number in step.new) == list(range(1, protocol.num_classes + 1))
    for index, step in enumerate(protocol):
        assert step.index == index and step.sizes == protocol[-1].sizes[: index + 1]
        assert sorted(step.channel_of.values()) == list(range(step.num_seen))
        assert step.num_seen == step.num_old + step.num_new == len(step.names)
        assert step.old == (protocol[index - 1].seen if index else ())
        for number in step.seen:
            channel = step.channel_of[number]
            assert step.names[channel] == protocol.class_names[number - 1]
            assert number in protocol[step.step_of_channel[channel]].new
            assert protocol[-1].channel_of[number] == channel


@given(protocol=protocols(), data=st.data())
def test_permuting_the_order_permutes_the_channels(protocol: Protocol, data: st.DataObject) -> None:
    moved = data.draw(st.permutations(range(1, protocol.num_classes + 1)))
    order = [moved[number - 1] for number in protocol[-1].seen]
    other = Protocol.from_name(protocol.name, protocol.num_classes, order=order, background=protocol.background)
    for number in range(1, protocol.num_classes + 1):
        assert other[-1].channel_of[moved[number - 1]] == protocol[-1].channel_of[number]


def test_15_1() -> None:
    protocol = Protocol.from_name('15-1', 20)
    assert len(protocol) == 6 and [len(step.new) for step in protocol] == [15, 1, 1, 1, 1, 1]
    assert protocol[1].sizes == (16, 1) and protocol[-1].sizes == (16, 1, 1, 1, 1, 1)
    assert protocol[5].new == (20,) and protocol[5].num_old == 20
    assert isinstance(protocol[2], Step) and [step.index for step in protocol] == list(range(6))
    assert protocol[0].names[:2] == ('background', 'class_1')


def test_aliases_are_the_same_protocol() -> None:
    assert Protocol.from_name('15-5s', 20) == Protocol.from_name('15-1', 20)
    assert Protocol.from_name('10-5-5', 20) == Protocol.from_name('10-5', 20)
    assert Protocol.from_name('15-5s_d', 20, dataset='voc') == Protocol.from_name('15-1', 20, order='d', dataset='voc')


def test_an_order_twice() -> None:
    with pytest.raises(ConfigError, match='contradicts'):
        Protocol.from_name('15-1_b', 20, order='c', dataset='voc')


def test_lists_of_numbers_and_names() -> None:
    protocol = Protocol.from_lists([['c', 1], ['b']], class_names=('a', 'b', 'c'))
    assert [step.new for step in protocol] == [(3, 1), (2,)]
    assert protocol[1].names == ('background', 'c', 'a', 'b') and protocol.name == '2-1'
    assert Protocol.from_lists([[2, 3], [1], [4, 5, 6]]).name == '2-1-3'


@pytest.mark.parametrize(
    ('steps', 'message'),
    [
        ([[1, 2], [2, 3]], r'listed more than once: 2 \(b\)'),
        ([[1], [2]], r'missing: 3 \(c\)'),
        ([[1, 2], [3, 4]], 'no class 4'),
        ([['a', 'bb'], ['c']], "'bb'. Did you mean 'b'"),
        ([[1, 2, 3], []], 'step 1 has no classes'),
        ([0, 1], 'not a list of lists'),
        ([], 'not a list'),
        ('15-1', 'not a list of lists'),
        ([[0, 1], [2, 3]], '0 is the background'),
    ],
)
def test_wrong_lists(steps: list, message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        Protocol.from_lists(steps, class_names=('a', 'b', 'c'))
    assert str(caught.value).startswith('protocol.steps: ')


@pytest.mark.parametrize(('name', 'sizes'), [('11-5', [11, 5, 5]), ('11-1', [11, *[1] * 10]), ('1-1', [1] * 21)])
def test_the_domain_protocols_of_cityscapes(name: str, sizes: list[int]) -> None:
    protocol = Protocol.from_domains(name, num_classes=19, dataset='cityscapes')
    assert [len(step.domains) for step in protocol] == sizes
    assert protocol.setting == 'domain' and protocol.seed == 1
    assert len(set(protocol.domains)) == 21 and protocol[0].domains[0] == 'aachen'
    assert protocol[0].num_old == 0 and protocol[0].num_new == protocol[0].num_seen == 19
    for step in protocol[1:]:
        assert (step.num_old, step.num_new, step.num_seen) == (19, 0, 19)
        assert step.sizes == (19, *[0] * step.index) and step.old == tuple(range(1, 20))


def test_domains_of_ones_own() -> None:
    protocol = Protocol.from_domains([['day'], ['rain', 'night']], num_classes=2, background=True)
    assert protocol.name == '1-2' and protocol[1].domains == ('rain', 'night')
    assert protocol[1].names == ('background', 'class_1', 'class_2')
    same = Protocol.from_domains('1-1', ['day', 'night'], num_classes=2)
    assert same[1].domains == ('night',)


@pytest.mark.parametrize(
    ('steps', 'domains', 'message'),
    [
        ([['ulm'], ['ulm']], None, 'more than once: ulm'),
        ([['ulm'], []], None, 'at least one domain'),
        ([], None, 'at least one domain'),
        ([['ulmm']], ['ulm'], "Did you mean 'ulm'"),
        ('1-1', None, 'list the domains'),
        ('2-2', ['a', 'b', 'c'], 'not a multiple of 2'),
    ],
)
def test_wrong_domains(steps: object, domains: list | None, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Protocol.from_domains(steps, domains, num_classes=2)


def test_settings_are_checked() -> None:
    with pytest.raises(ConfigError, match="Did you mean 'overlapped'"):
        Protocol.from_name('15-1', 20, setting='overlaped')
    with pytest.raises(ConfigError, match=r'protocol\.domains'):
        Protocol.from_name('15-1', 20, setting='domain')
    with pytest.raises(ConfigError, match='and 0 files'):
        Protocol.from_name('15-1', 20, setting='explicit')
    with pytest.raises(ConfigError, match='2 files for 6 steps'):
        Protocol.from_name('15-1', 20, setting='explicit', split_files=['a', 'b'])
    with pytest.raises(ConfigError, match='allowed only there'):
        Protocol.from_name('19-1', 20, split_files=['a', 'b'])


def test_plain_values_hold_all_that_is_learned() -> None:
    named = Protocol.from_name('15-1', 20)
    listed = Protocol.from_lists([list(range(1, 16)), [16], [17], [18], [19], [20]], name='mine')
    assert {**listed.to_dict(), 'name': '15-1'} == named.to_dict()
    others = [
        Protocol.from_name('15-5', 20),
        Protocol.from_name('15-1', 20, order=3),
        Protocol.from_name('15-1', 20, setting='disjoint'),
        named.merged(),
        Protocol.from_name('15-1', 20, setting='partitioned', seed=1),
    ]
    values = [json.dumps({**protocol.to_dict(), 'name': ''}) for protocol in [named, *others]]
    assert len(set(values)) == 6


def test_joint_training_is_one_step_reported_as_many() -> None:
    protocol = Protocol.from_name('15-1', 20, order='c', dataset='voc')
    joint = protocol.merged()
    assert len(joint) == 1 and joint[0].new == protocol[-1].seen and joint[0].num_seen == 21
    assert joint[0].names == protocol[-1].names and joint.name == '15-1'
    assert joint.report_sizes(0) == (16, 1, 1, 1, 1, 1)
    assert protocol.report_sizes(1) == (16, 1)
    domains = Protocol.from_domains('11-5', num_classes=19, dataset='cityscapes').merged()
    assert len(domains[0].domains) == 21 and domains.report_sizes(0) == (19, 0, 0)
