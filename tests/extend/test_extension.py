"""Names of new classes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmciss.errors import ConfigError
from mmciss.extend.extension import check_new_names, extension_protocol

OLD = ('background', 'person', 'car')


@pytest.mark.parametrize(
    ('new', 'message'),
    [
        (['Person'], r"--classes: the model has a class 'person' already \(id 1\)"),
        (['fork', 'fork'], '--classes: listed more than once: fork'),
        ([], '--classes: .*at least one'),
        (['fork', ' '], '--classes: .*at least one'),
        ([f'c{i}' for i in range(252)], '--classes: 3 classes and 252 new ones are too many'),
    ],
)
def test_wrong_names_are_refused(new: list[str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        check_new_names(new, OLD)


@given(old=st.integers(1, 20), new=st.integers(1, 20), background=st.booleans())
def test_old_ids_stay(old: int, new: int, background: bool) -> None:
    old += background
    names = [f'o{i}' for i in range(old)]
    base, step = extension_protocol(names, [f'n{i}' for i in range(new)], background)
    assert list(base.names) == names and base.num_new == old and base.num_future == new
    assert list(step.names[:old]) == names and step.num_old == old and step.num_new == new
    assert [step.channel_of[number] for number in step.new] == list(range(old, old + new))
