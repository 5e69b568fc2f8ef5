"""The sentences that error messages are made of."""

from __future__ import annotations

import pytest

from mmciss.errors import ConfigError, close_matches, names, prefixed, unknown_name


def test_unknown_names_say_value_allowed_set_key_and_a_guess() -> None:
    error = unknown_name('setting', 'overlaped', ['overlapped', 'disjoint'], 'protocol.setting')
    assert isinstance(error, ConfigError) and isinstance(error, ValueError)
    assert str(error) == (
        "protocol.setting: unknown setting 'overlaped'. Allowed: disjoint, overlapped. Did you mean 'overlapped'?"
    )
    assert close_matches('xyz', ['abc']) == ''


def test_what_is_read_stands_before_the_message() -> None:
    with pytest.raises(ConfigError, match='^--masks: x.png is empty$') as caught, prefixed('--masks'):
        raise ConfigError('x.png is empty')
    assert isinstance(caught.value.__cause__, ConfigError)
    with pytest.raises(KeyError), prefixed('--masks'):
        raise KeyError('other errors pass')


def test_long_lists_of_names_are_cut() -> None:
    assert names(['cat', 'dog']) == 'cat, dog' and names([]) == '–'
    assert names(list('abcdefgh')) == 'a, b, c, d, e, f and 2 more'
