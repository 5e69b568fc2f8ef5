"""Workarounds for the environment."""

from __future__ import annotations

import importlib
import pickle

import pytest

from mmciss.utils.environment import import_yapf


@pytest.mark.parametrize('error', [EOFError('Ran out of input'), pickle.UnpicklingError('truncated')])
def test_a_cache_that_is_being_written_is_waited_for(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    """As when several processes of one job are the first to import yapf in an environment."""
    asked = []

    def halfway(name: str) -> None:
        asked.append(name)
        if len(asked) < 3:
            raise error

    monkeypatch.setattr(importlib, 'import_module', halfway)
    import_yapf(pause=0.0)
    assert asked == ['yapf.yapflib.yapf_api'] * 3


def test_a_broken_cache_is_no_endless_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(name: str) -> None:
        raise EOFError('Ran out of input')

    monkeypatch.setattr(importlib, 'import_module', broken)
    with pytest.raises(EOFError):
        import_yapf(tries=3, pause=0.0)
