"""The sentences that error messages are made of."""

from __future__ import annotations

from mmciss.errors import ConfigError, close_matches, unknown_name


def test_unknown_names_say_value_allowed_set_key_and_a_guess() -> None:
    error = unknown_name('setting', 'overlaped', ['overlapped', 'disjoint'], 'protocol.setting')
    assert isinstance(error, ConfigError) and isinstance(error, ValueError)
    assert str(error) == (
        "protocol.setting: unknown setting 'overlaped'. Allowed: disjoint, overlapped. Did you mean 'overlapped'?"
    )
    assert close_matches('xyz', ['abc']) == ''
