"""Step: channels, names, and what it refuses."""

from __future__ import annotations

import pytest

from mmciss.protocols.step import Step


def second_step() -> Step:
    return Step(1, (2, 7), (5, 1, 3), (4, 2), ('background', 'e', 'a', 'c', 'b', 'g'))


def test_channels_are_in_order_of_arrival() -> None:
    step = second_step()
    assert step.seen == (5, 1, 3, 2, 7)
    assert (step.num_old, step.num_new, step.num_seen) == (4, 2, 6)
    assert step.channel_of == {0: 0, 5: 1, 1: 2, 3: 3, 2: 4, 7: 5}
    assert step.step_of_channel == (0, 0, 0, 0, 1, 1)
    assert not step.is_base


def test_the_first_step_has_no_teacher() -> None:
    step = Step(0, (1, 2), (), (3,), ('background', 'a', 'b'))
    assert step.is_base and step.num_old == 0 and step.num_new == 3


def test_without_background_the_first_class_is_channel_0() -> None:
    step = Step(0, (2, 1), (), (2,), ('b', 'a'), background=False)
    assert step.channel_of == {2: 0, 1: 1}


def test_a_step_of_domains_adds_no_channels() -> None:
    step = Step(2, (), (1, 2), (2, 0, 0), ('a', 'b'), background=False, domains=('ulm',))
    assert (step.num_old, step.num_new, step.num_seen) == (2, 0, 2)
    assert step.step_of_channel == (0, 0)


def test_steps_are_values() -> None:
    step = second_step()
    assert Step.from_dict(step.to_dict()) == step and hash(step) == hash(second_step())
    assert isinstance(step.to_dict()['new'], list)
    with pytest.raises(AttributeError):
        step.index = 3  # type: ignore[misc]


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        ({'sizes': (4,)}, 'must have 2 entries'),
        ({'sizes': (4, 3)}, 'do not agree'),
        ({'names': ('background', 'a')}, 'do not agree'),
        ({'new': (5, 7)}, 'listed twice'),
    ],
)
def test_contradictions_are_refused(changes: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Step(**{**second_step().to_dict(), **changes})


def test_255_channels_are_the_most() -> None:
    numbers = tuple(range(1, 256))
    with pytest.raises(ValueError, match='256 channels'):
        Step(0, numbers, (), (256,), tuple(map(str, range(256))))
